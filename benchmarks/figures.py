"""Numbers of a benchmark: what is made of samples, and how they are shown."""

from collections.abc import Sequence


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that at least `percent` of them do not exceed. Raises ValueError where there are none."""
    if not samples:
        raise ValueError("a percentile of no samples")
    ordered = sorted(samples)
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return ordered[max(0, int(rank) - 1)]


def per_second(rate: float) -> str:
    """`12,345/s`"""
    return f"{rate:,.0f}/s"
