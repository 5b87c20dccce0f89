"""Outlines as SVG path data: ribbons along a curve, blobs, wedges."""

from collections.abc import Sequence
from math import cos, hypot, pi, sin

import msgspec

from duestream.kittens.chance import Chance

Point = tuple[float, float]


def n(*numbers: float) -> str:
    """Numbers as path data: one decimal below 10, where it is seen."""
    return " ".join(f"{_rounded(number):g}" for number in numbers)


def _rounded(number: float) -> float:
    return round(number, 1 if abs(number) < 10 else 0) + 0.0


def through(points: Sequence[Point]) -> str:
    """A smooth line through points, without its start."""
    first, last = points[0], points[-1]
    padded = [first, *points, last]
    line = []
    for before, start, end, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        leave = (start[0] + (end[0] - before[0]) / 6, start[1] + (end[1] - before[1]) / 6)
        arrive = (end[0] - (after[0] - start[0]) / 6, end[1] - (after[1] - start[1]) / 6)
        x, y = _rounded(start[0]), _rounded(start[1])
        steps = [there - here for point in (leave, arrive) for there, here in zip(point, (x, y), strict=True)]
        steps += [_rounded(end[0]) - x, _rounded(end[1]) - y]
        line.append(f"c{n(*steps)}")
    return "".join(line).replace(" -", "-")


def spot(x: float, y: float, rx: float, ry: float) -> str:
    """An oval."""
    arc = f"a{n(rx, ry)} 0 1 0"
    return f"M{n(x - rx, y)}{arc} {n(2 * rx)} 0{arc} {n(-2 * rx)} 0"


def blob(x: float, y: float, size: float, chance: Chance) -> str:
    """A round shape that is not quite a circle."""
    turn = chance.between(0, pi)
    points = [
        (x + cos(turn + corner * pi / 3) * reach, y + sin(turn + corner * pi / 3) * reach)
        for corner, reach in ((corner, size * chance.between(0.75, 1.15)) for corner in range(6))
    ]
    ring = [*points[-1:], *points, *points[:2]]
    middle = ring[1:-1]
    path = [f"M{n(*middle[0])}"]
    for index in range(6):
        before, start, end, after = (ring[index + step] for step in range(4))
        leave = (start[0] + (end[0] - before[0]) / 6, start[1] + (end[1] - before[1]) / 6)
        arrive = (end[0] - (after[0] - start[0]) / 6, end[1] - (after[1] - start[1]) / 6)
        path.append(f"C{n(*leave, *arrive, *end)}")
    return "".join(path) + "Z"


def wedge(left: Point, right: Point, tip: Point) -> str:
    """A stripe that narrows from a base to a tip, a little curved."""
    middle = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2)

    def bent(corner: Point) -> Point:
        half = ((middle[0] + tip[0]) / 2, (middle[1] + tip[1]) / 2)
        return (half[0] + (corner[0] - middle[0]) * 0.9, half[1] + (corner[1] - middle[1]) * 0.9)

    return f"M{n(*left)}Q{n(*bent(left), *tip)}Q{n(*bent(right), *right)}Z"


class Ribbon(msgspec.Struct, frozen=True):
    """A band around a cubic curve. radii: its half width, from the curve's start to its end.

    On it, `t` runs along the curve from 0 to 1 and `k` across it: 1 is the left edge of one who walks the curve on
    the page, which is the upper one where the curve goes to the right.
    """

    curve: tuple[Point, Point, Point, Point]
    radii: tuple[float, ...]

    def at(self, t: float) -> Point:
        a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = self.curve
        return (a * ax + b * bx + c * cx + d * dx, a * ay + b * by + c * cy + d * dy)

    def radius(self, t: float) -> float:
        place = t * (len(self.radii) - 1)
        index = min(int(place), len(self.radii) - 2)
        share = place - index
        share = share * share * (3 - 2 * share)
        return self.radii[index] * (1 - share) + self.radii[index + 1] * share

    def beside(self, t: float, k: float) -> Point:
        before, after = self.at(max(t - 0.01, 0)), self.at(min(t + 0.01, 1))
        dx, dy = after[0] - before[0], after[1] - before[1]
        length = hypot(dx, dy) or 1
        reach = self.radius(t) * k / length
        x, y = self.at(t)
        return (x + dy * reach, y - dx * reach)

    def wider(self, factor: float) -> "Ribbon":
        return Ribbon(self.curve, tuple(radius * factor for radius in self.radii))

    def side(self, start: float, end: float, k: float) -> list[Point]:
        steps = max(1, round(abs(end - start) * 4))
        return [self.beside(start + (end - start) * step / steps, k) for step in range(steps + 1)]

    def outline(self) -> str:
        """The whole of it, with round ends."""
        cap = n(self.radii[0], self.radii[0], 0, 0, 1, *self.beside(0, 1))
        return f"{self.edge(0)}A{cap}Z"

    def edge(self, start: float) -> str:
        """The line around it from a place on it to its end and back; filled, it is the end of the ribbon."""
        there, back = self.side(start, 1, 1), self.side(1, start, -1)
        cap = n(self.radii[-1], self.radii[-1], 0, 0, 1, *back[0])
        return f"M{n(*there[0])}{through(there)}A{cap}{through(back)}"

    def band(self, start: float, end: float) -> str:
        """What lies between two places on it: a ring."""
        there, back = self.side(start, end, 1), self.side(end, start, -1)
        return f"M{n(*there[0])}{through(there)}L{n(*back[0])}{through(back)}Z"
