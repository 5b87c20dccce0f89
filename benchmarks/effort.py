"""How much of it a run does, and how contenders take turns."""

import statistics
import sys
from collections.abc import Awaitable, Callable, Mapping

import msgspec


class Effort(msgspec.Struct, frozen=True):
    """rounds: turns of each contender; seconds: of load per turn; scale: of what is counted, not timed; alone: without
    the other queues.
    """

    rounds: int = 3
    seconds: float = 3.0
    scale: float = 1.0
    alone: bool = False

    def of(self, count: int) -> int:
        """A number of tasks, as much as this effort takes of it."""
        return int(count * self.scale)


QUICK = Effort(rounds=1, seconds=1.0, scale=0.2)


async def alternate(effort: Effort, turns: Mapping[str, Callable[[], Awaitable[float]]]) -> dict[str, list[float]]:
    """Let contenders measure themselves in turn, A B A B, so that what disturbs the machine disturbs them alike."""
    found: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(effort.rounds):
        for name, turn in turns.items():
            figure = await turn()
            found[name].append(figure)
            print(f"  {name}: {figure:,.0f} (round {number + 1} of {effort.rounds})", file=sys.stderr, flush=True)
    return found


def middle(figures: list[float]) -> float:
    return statistics.median(figures)


def rounds(figures: list[float]) -> str:
    """The single rounds, for a row's detail."""
    return " ".join(f"{figure:,.0f}" for figure in figures)
