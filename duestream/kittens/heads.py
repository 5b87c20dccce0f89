"""Heads: ears, skull and the coat on them. The head's middle is at 0, 0; the face is drawn on it by `faces`."""

from duestream.kittens.breeds import Breed
from duestream.kittens.chance import Chance
from duestream.kittens.coats import WHITE, Coat
from duestream.kittens.ink import Clips, ellipse, line, path
from duestream.kittens.shapes import Point, blob, n, spot, wedge

PINK = "#f4b3ae"


def head(breed: Breed, coat: Coat, clips: Clips, chance: Chance) -> str:
    """A head without its face."""
    skull = _skull(breed)
    marks = _marks(breed, coat, chance)
    over = _folds(breed, coat) if breed.ears == "folded" else ""
    under = "" if over else _ears(breed, coat)
    return under + path(skull, coat.tint.base) + clips.within(skull, marks) + line(skull, coat.tint.line, 4) + over


def _skull(breed: Breed) -> str:
    w, h, fluff = breed.width, breed.height, breed.fluff

    def half(side: int) -> list[str]:
        """From the top to the chin, with tufts on the cheek where there is fluff."""
        x = side * w
        upper = f"C{n(x * 0.62, -h * 1.02, x * 0.98, -h * 0.55, x, h * 0.14)}"
        if not fluff:
            return [upper, f"C{n(x * 1.02, h * 0.68, x * 0.58, h, 0, h)}"]
        out = 1 + 0.13 * fluff
        return [
            upper,
            f"Q{n(x * 1.04, h * 0.3, x * out, h * 0.46)}Q{n(x * 1.0, h * 0.5, x * 0.95, h * 0.5)}",
            f"Q{n(x * 0.96, h * 0.62, x * (out - 0.1), h * 0.76)}Q{n(x * 0.84, h * 0.76, x * 0.78, h * 0.75)}",
            f"C{n(x * 0.6, h * 0.95, x * 0.3, h, 0, h)}",
        ]

    return f"M{n(0, -h * 0.98)}{''.join(half(1))}M{n(0, -h * 0.98)}{''.join(half(-1))}"


def _ears(breed: Breed, coat: Coat) -> str:
    drawn = []
    for side, own in zip((-1, 1), coat.ears, strict=True):
        colour = own or coat.tint.base
        drawn.append(path(_ear(breed, side, 1), colour, f'stroke="{coat.tint.line}" stroke-width="4"'))
        drawn.append(path(_ear(breed, side, 0.62), PINK, 'opacity=".85"'))
        if breed.ears == "tufted":
            x, y = side * breed.width * breed.lean, -breed.height * (1 + breed.ear)
            tuft = wedge((x - 7, y + 14), (x + 7, y + 14), (x + side * 5, y - 16))
            inner = side * breed.width * 0.5
            fringe = "".join(
                wedge(
                    (inner + step - 5, -breed.height * 0.8),
                    (inner + step + 5, -breed.height * 0.8),
                    (inner + step + side * 5, -breed.height * 1.15),
                )
                for step in (-9, 3, 15)
            )
            drawn.append(path(tuft, coat.tint.line) + path(fringe, coat.tint.light, 'opacity=".9"'))
    return "".join(drawn)


def _ear(breed: Breed, side: int, size: float) -> str:
    """An ear, or what is inside it, at a smaller size."""
    w, h = breed.width * side, breed.height
    inner, outer, tip = (w * 0.16, -h * 0.86), (w * 0.93, -h * 0.2), (w * breed.lean, -h * (1 + breed.ear))
    foot = ((inner[0] + outer[0]) / 2, (inner[1] + outer[1]) / 2)

    def at(x: float, y: float) -> Point:
        return (foot[0] + (x - foot[0]) * size, foot[1] + (y - foot[1]) * size)

    def half(base: Point, swell: Point) -> tuple[Point, Point]:
        """Towards what a side bends, and where it ends and the round tip begins; in one line with the tip."""
        x, y = (base[0] + tip[0]) / 2 + swell[0], (base[1] + tip[1]) / 2 + swell[1]
        return at(x, y), at(tip[0] + (x - tip[0]) * blunt, tip[1] + (y - tip[1]) * blunt)

    blunt = 0.8 if breed.ears == "round" else 0.22
    left, rise = half(inner, (-w * 0.07, -h * 0.1))
    right, fall = half(outer, (w * 0.07, -h * 0.06))
    return f"M{n(*at(*inner))}Q{n(*left, *rise)}Q{n(*at(*tip), *fall)}Q{n(*right, *at(*outer))}Z"


def _folds(breed: Breed, coat: Coat) -> str:
    """Ears whose tips lie on the head."""
    drawn = []
    for side, own in zip((-1, 1), coat.ears, strict=True):
        x, h = side * breed.width, breed.height
        d = (
            f"M{n(x * 0.2, -h * 0.93)}C{n(x * 0.4, -h * 1.3, x * 0.82, -h * 1.2, x * 0.95, -h * 0.34)}"
            f"C{n(x * 0.86, -h * 0.28, x * 0.68, -h * 0.36, x * 0.6, -h * 0.5)}"
            f"C{n(x * 0.44, -h * 0.62, x * 0.3, -h * 0.75, x * 0.2, -h * 0.93)}Z"
        )
        colour = own or coat.tint.base
        drawn.append(path(d, colour, f'stroke="{coat.tint.line}" stroke-width="4"'))
    return "".join(drawn)


def _marks(breed: Breed, coat: Coat, chance: Chance) -> str:
    w, h, mark = breed.width, breed.height, coat.tint.mark
    muzzle = ellipse(0, h * 0.62, w * 0.42, h * 0.4, coat.tint.light)
    if coat.pattern == "tabby":
        return muzzle + path(_crown(w, h) + _cheeks(w, h), mark)
    if coat.pattern == "spotted":
        dots = "".join(spot(side * w * x, h * y, 6, 5) for side in (-1, 1) for x, y in ((0.8, 0.3), (0.68, 0.58)))
        return muzzle + path(_crown(w, h) + dots, mark)
    if coat.pattern in ("tuxedo", "bicolour"):
        return path(_blaze(w, h, chance.between(0.05, 0.22) if coat.pattern == "bicolour" else 0.05), WHITE)
    if coat.pattern == "calico":
        return "".join(
            path(blob(side * w * 0.68, -h * chance.between(0.45, 0.7), w * chance.between(0.5, 0.66), chance), colour)
            for side, colour in zip((-1, 1), coat.ears, strict=True)
        )
    if coat.pattern == "tortoiseshell":
        half = -1 if coat.ears[0] else 1
        patch = f"M0 {n(-h * 1.1)}Q{n(-half * w * 0.15, -h * 0.2, half * w * 0.02, h * 0.35)}"
        patch += f"L{n(half * w * 0.1, h * 1.1, half * w * 1.3, h * 1.1, half * w * 1.3, -h * 1.2)}Z"
        other = "".join(
            blob(-half * w * x, h * y, w * 0.17, chance) for x, y in ((0.6, -0.6), (0.9, 0.15), (0.45, 0.85))
        )
        back = blob(half * w * 0.85, h * 0.55, w * 0.2, chance) + blob(half * w * 0.3, -h * 0.75, w * 0.13, chance)
        orange = next(ear for ear in coat.ears if ear)
        return path(patch + other, orange) + path(back, coat.tint.base)
    if coat.pattern == "points":
        mask = ((0.86, 0.74), (0.72, 0.62), (0.58, 0.5))
        return "".join(ellipse(0, h * 0.36, w * x, h * y, coat.tips, 'opacity=".34"') for x, y in mask)
    return ellipse(0, h * 0.62, w * 0.4, h * 0.36, coat.tint.light, 'opacity=".5"')


def _crown(w: float, h: float) -> str:
    """The M on the forehead of every tabby."""
    stripes = ((0.0, 0.0, 0.36), (0.25, 0.17, 0.42), (0.5, 0.36, 0.52))
    return "".join(
        wedge(
            (side * w * base - w * 0.065, -h * 1.04), (side * w * base + w * 0.065, -h * 1.04), (side * w * tip, -h * y)
        )
        for base, tip, y in stripes
        for side in ((-1, 1) if base else (1,))
    )


def _cheeks(w: float, h: float) -> str:
    return "".join(
        wedge((side * w * 1.15, h * (y - 0.07)), (side * w * 1.15, h * (y + 0.07)), (side * w * 0.7, h * (y + 0.06)))
        for side in (-1, 1)
        for y in (0.08, 0.36, 0.62)
    )


def _blaze(w: float, h: float, breadth: float) -> str:
    """White from the forehead over the nose to the chin."""
    right = f"Q{n(w * (breadth + 0.04), -h * 0.2, w * (breadth + 0.1), h * 0.16)}"
    right += f"Q{n(w * 0.5, h * 0.36, w * 0.52, h * 0.7)}Q{n(w * 0.5, h * 0.9, w * 0.4, h * 1.1)}"
    left = f"Q{n(-w * 0.5, h * 0.9, -w * 0.52, h * 0.7)}Q{n(-w * 0.5, h * 0.36, -w * (breadth + 0.1), h * 0.16)}"
    top = -h * (0.62 if breadth < 0.1 else 1.1)
    return (
        f"M{n(-w * breadth * 0.4, top)}L{n(w * breadth * 0.4, top)}{right}L{n(-w * 0.4, h * 1.1)}{left}"
        f"Q{n(-w * (breadth + 0.04), -h * 0.2, -w * breadth * 0.4, top)}Z"
    )
