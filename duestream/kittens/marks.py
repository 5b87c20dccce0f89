"""What a coat puts on a body, a leg and a tail; all of it is cut to their outlines or lies within them."""

from duestream.kittens.chance import Chance
from duestream.kittens.coats import WHITE, Coat
from duestream.kittens.ink import ellipse, path
from duestream.kittens.poses import Pose
from duestream.kittens.shapes import Ribbon, blob, n, spot, through, wedge


def on_body(coat: Coat, ribbon: Ribbon, pose: Pose, chance: Chance) -> str:
    if coat.pattern == "tabby":
        return _chest(coat, ribbon, pose, coat.tint.light) + _stripes(coat, ribbon, pose, chance)
    if coat.pattern == "spotted":
        return _chest(coat, ribbon, pose, coat.tint.light) + _spots(coat, ribbon, pose, chance)
    if coat.pattern in ("tuxedo", "bicolour"):
        return _chest(coat, ribbon, pose, WHITE)
    if coat.pattern == "calico":
        return _patches(coat, ribbon, chance, 0.62, 4)
    if coat.pattern == "tortoiseshell":
        return _patches(coat, ribbon, chance, 0.42, 9)
    if coat.pattern == "points":
        return ""
    return _chest(coat, ribbon, pose, coat.tint.light, faint=True)


def _chest(coat: Coat, ribbon: Ribbon, pose: Pose, colour: str, *, faint: bool = False) -> str:
    more = 'opacity=".45"' if faint else ""
    if pose.asleep:  # it lies on it
        return ""
    if pose.facing:
        (x, top), (_, bottom) = ribbon.at(0.15), ribbon.at(1)
        return ellipse(x, (top + bottom) / 2, ribbon.radius(0.4) * 0.5, (bottom - top) * 0.85, colour, more)
    upper = [(x, y + ribbon.radius(0.5) * 0.5) for x, y in ribbon.side(0, 1, 0)]
    lower = ribbon.wider(1.4).side(1, 0, -1)
    (left, y), reach = ribbon.at(0), ribbon.radius(0)
    d = f"M{n(left - reach * 1.3, y - reach * 0.2)}L{n(*upper[0])}{through(upper)}"
    return path(f"{d}L{n(*lower[0])}{through(lower)}L{n(left - reach * 1.3, y + reach * 1.3)}Z", colour, more)


def _stripes(coat: Coat, ribbon: Ribbon, pose: Pose, chance: Chance) -> str:
    count = 4 if pose.facing else 6
    half = 0.34 / count
    d = []
    for side, reach in zip((1, -1), pose.reach, strict=True):
        for index in range(count if reach else 0):
            t = 0.12 + 0.86 * index / (count - 1)
            tip = 1.1 - reach * chance.between(0.95, 1.2)
            d.append(
                wedge(
                    ribbon.beside(max(t - half, 0), side * 1.1),
                    ribbon.beside(min(t + half, 1), side * 1.1),
                    ribbon.beside(min(t + 0.03, 1), side * tip),
                )
            )
    return path("".join(d), coat.tint.mark)


def _spots(coat: Coat, ribbon: Ribbon, pose: Pose, chance: Chance) -> str:
    d = []
    rows = (0.82, 0.46, -0.46, -0.82) if pose.facing else (0.85, 0.5, 0.12, -0.25)
    for number, row in enumerate(rows):
        for column in range(6):
            x, y = ribbon.beside(min(0.03 + column * 0.18 + number % 2 * 0.09, 1), row)
            size = chance.between(6, 10)
            d.append(spot(x + chance.between(-5, 5), y + chance.between(-5, 5), size, size * chance.between(0.7, 1)))
    return path("".join(d), coat.tint.mark)


def _patches(coat: Coat, ribbon: Ribbon, chance: Chance, size: float, count: int) -> str:
    drawn = []
    side = chance.pick((1, -1))
    for index in range(count):
        t = (index + chance.between(0.1, 0.9)) / count
        x, y = ribbon.beside(t, side * chance.between(0.3, 0.9))
        reach = ribbon.radius(t) * size * chance.between(0.8, 1.2)
        drawn.append(path(blob(x, y, reach, chance), coat.patches[index % len(coat.patches)]))
        side = -side
    return "".join(drawn)


def tufts(ribbon: Ribbon, pose: Pose) -> str:
    """Fur that stands off the body of a fluffy one."""
    return "".join(
        wedge(
            ribbon.beside(t - 0.07, k * 0.94),
            ribbon.beside(min(t + 0.07, 1), k * 0.94),
            ribbon.beside(min(t + 0.12, 1), k * 1.14),
        )
        for k in ((1, -1) if pose.facing else (1,))
        for t in (0.3, 0.5, 0.7, 0.9)
    )


def on_leg(coat: Coat, ribbon: Ribbon, chance: Chance) -> str:
    if coat.pattern == "tabby":
        return path("".join(ribbon.band(t, t + 0.08) for t in (0.42, 0.62)), coat.tint.mark)
    if coat.pattern == "points":
        return _fading(coat.tips, ribbon, 0.45)
    if coat.tips:
        return path(ribbon.edge(0.62), coat.tips)
    if coat.pattern == "tortoiseshell" and chance.often(0.5):
        return path(ribbon.edge(0.5), coat.patches[0])
    return ""


def _fading(colour: str, ribbon: Ribbon, start: float) -> str:
    steps = (start, start + 0.12, start + 0.24)
    return "".join(path(ribbon.edge(step), colour, 'opacity=".55"') for step in steps)


def on_tail(coat: Coat, ribbon: Ribbon) -> str:
    if coat.pattern in ("tabby", "spotted"):
        rings = "".join(ribbon.band(t, t + 0.09) for t in (0.14, 0.34, 0.54, 0.74))
        return path(rings + ribbon.edge(0.9), coat.tint.mark)
    if coat.pattern in ("tuxedo", "bicolour"):
        return path(ribbon.edge(0.8), WHITE)
    if coat.pattern == "calico":
        return path(ribbon.band(0.1, 0.45), coat.patches[0]) + path(ribbon.edge(0.62), coat.patches[1])
    if coat.pattern == "tortoiseshell":
        return path(ribbon.band(0.2, 0.4), coat.patches[0]) + path(ribbon.edge(0.7), coat.patches[0])
    if coat.pattern == "points":
        return path(ribbon.edge(0.2), coat.tail, 'opacity=".6"') + path(ribbon.edge(0.3), coat.tail)
    return ""
