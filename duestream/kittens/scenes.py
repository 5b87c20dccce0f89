"""What is around a kitten: a soft background, a toy or a box, now and then a collar or a bow."""

from duestream.kittens.breeds import Breed
from duestream.kittens.chance import Chance
from duestream.kittens.ink import ellipse, group, line, path
from duestream.kittens.shapes import n

GROUNDS = (  # behind, a disc on it, the floor
    ("#dcefe6", "#c3e2d4", "#a9d0be"),
    ("#e1ecf8", "#c9dcf1", "#adc7e4"),
    ("#fbe6e3", "#f5d0cb", "#e8b6b0"),
    ("#fdf1d3", "#f9e2ad", "#ebcd8a"),
    ("#ece4f7", "#dacdef", "#c0afdd"),
    ("#e3f1f2", "#c6e3e6", "#a5cdd2"),
    ("#f3e9df", "#e5d3c2", "#cfb8a2"),
    ("#e9f3d8", "#d5e7b8", "#b9d194"),
)
BRIGHT = ("#e8636f", "#4f9fd8", "#59b08a", "#f0b43c", "#9a78cf", "#ef8a4a")


def background(chance: Chance) -> str:
    behind, disc, floor = chance.pick(GROUNDS)
    drawn = [f'<path d="M0 0H480V480H0Z" fill="{behind}"/>', ellipse(240, 236, 206, 206, disc)]
    kind = chance.pick(("hearts", "stars", "dots", "prints"))
    for x, y in ((52, 66), (428, 60), (36, 236), (446, 214), (92, 150), (400, 130)):
        if chance.often(0.8):
            turn = f"translate({n(x + chance.between(-12, 12), y + chance.between(-12, 12))}) "
            drawn.append(group(_decor(kind), f"{turn}rotate({n(chance.between(-25, 25))})").replace("#ink", floor))
    drawn.append(path("M0 396Q240 376 480 396V480H0Z", floor, 'opacity=".75"'))
    return "".join(drawn)


def _decor(kind: str) -> str:
    if kind == "hearts":
        return path("M0 9C-16-3-9-14 0-6 9-14 16-3 0 9Z", "#ink")
    if kind == "stars":
        return path("M0-12 3-3 12 0 3 3 0 12-3 3-12 0-3-3Z", "#ink")
    if kind == "dots":
        return ellipse(0, 0, 7, 7, "#ink")
    toes = "".join(ellipse(x, y, 3, 4, "#ink") for x, y in ((-8, -3), (-3, -8), (3, -8), (8, -3)))
    return ellipse(0, 4, 7, 6, "#ink") + toes


def prop(kind: str, chance: Chance) -> str:
    """What stands behind some of the kitten."""
    colour = chance.pick(BRIGHT)
    if kind == "yarn":
        turns = "M58 352Q96 318 138 352M54 372Q96 340 142 374M66 396Q80 350 120 332M84 408Q104 360 138 388"
        thread = "M60 398Q30 424 70 430T150 434T214 440"
        return line(thread, colour, 5) + ellipse(97, 366, 46, 46, colour) + line(turns, "#fff", 3.5, 'opacity=".5"')
    if kind == "box":
        return path("M92 300H388V330H92Z", "#8f6a45")
    if kind == "cushion":
        return ellipse(240, 400, 204, 42, colour) + ellipse(240, 388, 196, 32, "#fff", 'opacity=".22"')
    return ""


def cover(kind: str, chance: Chance) -> str:
    """What stands before it."""
    if kind != "box":
        return ""
    heart = chance.often(0.5)
    sign = (
        "M240 384C208 360 222 338 240 354 258 338 272 360 240 384Z"
        if heart
        else "M150 352H232V364H150ZM150 374H204V384H150Z"
    )
    edge = 'stroke="#8f6a45" stroke-width="4"'
    return (
        path("M92 308H388L380 420H100Z", "#d9b183", edge)
        + path("M92 308 54 348 70 360 98 330ZM388 308 426 348 410 360 382 330Z", "#c99d6c", edge)
        + path("M92 308H388V318H92Z", "#c99d6c")
        + path(sign, "#b98a5b")
    )


def collar(breed: Breed, chance: Chance) -> str:
    """A collar under the chin, "" for most kittens. Drawn before the head."""
    colour, kind = chance.pick(BRIGHT), chance.between(0, 1)
    if kind > 0.42:
        return ""
    w, h = breed.width, breed.height
    band = line(f"M{n(-w * 0.6, h * 0.78)}Q{n(0, h * 1.36, w * 0.6, h * 0.78)}", colour, 13)
    if kind < 0.22:
        bell = ellipse(0, h * 1.24, 12, 12, "#f6c945", 'stroke="#a87b1c" stroke-width="2.5"')
        return band + bell + line(f"M{n(-6, h * 1.25)}H6M0 {n(h * 1.25)}V{n(h * 1.25 + 8)}", "#a87b1c", 2.5)
    return band + group(_bow(colour), f"translate(0 {n(h * 1.16)})")


def bow(breed: Breed, chance: Chance) -> str:
    """A bow or a flower at one ear, "" for most. Drawn on the head."""
    colour, kind, side = chance.pick(BRIGHT), chance.between(0, 1), chance.pick((-1, 1))
    if kind > 0.2:
        return ""
    at = f"translate({n(side * breed.width * 0.56, -breed.height * 0.78)}) rotate({n(side * 24)})"
    if kind < 0.1:
        return group(_bow(colour), at)
    petals = "".join(ellipse(x, y, 8, 8, colour) for x, y in ((0, -9), (9, -3), (6, 8), (-6, 8), (-9, -3)))
    return group(petals + ellipse(0, 0, 6, 6, "#fff3c4"), at)


def _bow(colour: str) -> str:
    loops = "M0 0C-10-18-30-18-28 0-30 18-10 18 0 0 10-18 30-18 28 0 30 18 10 18 0 0Z"
    return path(loops, colour, 'stroke="#000" stroke-opacity=".25" stroke-width="2.5"') + ellipse(
        0, 0, 7, 8, colour, 'stroke="#000" stroke-opacity=".25" stroke-width="2.5"'
    )


def ruff(breed: Breed, colour: str, edge: str) -> str:
    """The long fur on the chest of a fluffy one, "" for the others. Drawn before the head."""
    if breed.fluff < 0.5:
        return ""
    w, h = breed.width, breed.height
    tips = [(w * x, h * y) for x, y in ((-0.78, 0.98), (-0.54, 1.2), (-0.28, 1.34), (0, 1.42))]
    tips += [(-x, y) for x, y in tips[-2::-1]]
    d = f"M{n(-w * 0.8, h * 0.4)}"
    for tip, following in zip(tips, [*tips[1:], (w * 0.9, h * 0.5)], strict=True):
        valley = ((tip[0] + following[0]) / 2, (tip[1] + following[1]) / 2 - h * 0.1)
        d += f"Q{n(tip[0] - w * 0.08, tip[1] - h * 0.1, *tip)}Q{n(tip[0] + w * 0.06, tip[1] - h * 0.06, *valley)}"
    return path(f"{d}L{n(w * 0.8, h * 0.4)}Z", colour, f'stroke="{edge}" stroke-width="3"')
