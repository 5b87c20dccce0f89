"""Choices that a seed decides: the same seed and name always choose the same."""

from collections.abc import Sequence
from hashlib import sha256
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """A stream of choices. `about` starts another, so that one more choice in one place changes no other place."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode(errors="surrogatepass")
        self._drawn = 0

    def about(self, name: str) -> "Chance":
        return Chance(f"{self._seed.hex()}/{name}")

    def between(self, low: float, high: float) -> float:
        digest = sha256(b"%d:%b" % (self._drawn, self._seed)).digest()
        self._drawn += 1
        return low + (high - low) * int.from_bytes(digest[:6]) / 2**48

    def often(self, share: float) -> bool:
        """True in this share (0 to 1) of all cases."""
        return self.between(0, 1) < share

    def pick(self, things: Sequence[T]) -> T:
        return things[int(self.between(0, len(things)))]
