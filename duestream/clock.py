"""This machine's clock."""

import time


def now_ms() -> int:
    """ms since the epoch."""
    return time.time_ns() // 1_000_000
