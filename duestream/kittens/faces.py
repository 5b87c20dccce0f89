"""Faces: eyes, nose, mouth and whiskers, on a head whose middle is at 0, 0."""

import msgspec

from duestream.kittens.breeds import Breed
from duestream.kittens.chance import Chance
from duestream.kittens.coats import BLUES, Coat
from duestream.kittens.ink import ellipse, line, path
from duestream.kittens.shapes import n

INK = "#2d2430"
LOOKS = ("round", "round", "round", "almond", "almond", "sleepy", "winking", "happy")


class Eyes(msgspec.Struct, frozen=True):
    """look: how they are held; left, right: their colours; gaze: where they look, in pixels."""

    look: str
    left: str
    right: str
    gaze: tuple[float, float]
    pupil: float

    @property
    def words(self) -> str:
        if self.look in ("sleepy", "winking", "happy"):
            return {"sleepy": "sleepy", "winking": "winking", "happy": "smiling"}[self.look]
        return "odd-eyed" if self.left != self.right and self.look != "asleep" else ""


def eyes(coat: Coat, chance: Chance, *, asleep: bool) -> Eyes:
    look = "asleep" if asleep else chance.pick(LOOKS)
    left = right = chance.pick(coat.tint.eyes)
    if chance.often(coat.odd):
        other = "#e3a72f" if left in BLUES else BLUES[0]
        left, right = chance.pick(((left, other), (other, left)))
    gaze = (chance.between(-3.5, 3.5), chance.between(-2.5, 2))
    return Eyes(look, left, right, gaze, chance.between(0.52, 0.8))


def face(breed: Breed, coat: Coat, eyes: Eyes, chance: Chance) -> str:
    w, h = breed.width, breed.height
    masked = coat.pattern == "points" and coat.tint.name in ("seal", "blue")
    shut = "#efe6f2" if coat.dark or masked else INK
    pale = coat.pattern in ("tuxedo", "bicolour", "tabby", "spotted")
    mouth = INK if pale or not (coat.dark or masked) else "#e8dfe8"
    y, apart = h * 0.1, w * 0.47
    blush = "".join(ellipse(side * w * 0.66, h * 0.48, 15, 9, "#ff8f8f", 'opacity=".3"') for side in (-1, 1))
    return (
        ("" if coat.dark or masked else blush)
        + _eye(eyes, eyes.left, -apart, y, breed.eye, shut, shutting=eyes.look == "winking")
        + _eye(eyes, eyes.right, apart, y, breed.eye, shut, shutting=False)
        + _nose(coat, h * 0.42)
        + _mouth(mouth, h * 0.42, chance)
        + _whiskers(w, h, "#fff" if coat.dark or masked else coat.tint.line, chance)
    )


def _eye(eyes: Eyes, colour: str, x: float, y: float, size: float, shut: str, *, shutting: bool) -> str:
    rx, ry = 20 * size, 22 * size
    if eyes.look == "asleep":
        return line(f"M{n(x - rx, y + 4)}Q{n(x, y + 20, x + rx, y + 4)}", shut, 5)
    if eyes.look == "happy" or shutting:
        return line(f"M{n(x - rx, y + 8)}Q{n(x, y - 18, x + rx, y + 8)}", shut, 5)
    if eyes.look == "sleepy":
        return _half(eyes, colour, x, y, rx, ry)
    side = 1 if x > 0 else -1
    if eyes.look == "almond":
        inner, outer = (x - side * rx * 1.1, y + 5), (x + side * rx * 1.18, y - 5)
        d = f"M{n(*inner)}C{n(x - side * rx * 0.7, y - ry * 1.15, x + side * rx * 0.55, y - ry * 1.35, *outer)}"
        d += f"C{n(x + side * rx * 0.95, y + ry * 0.95, x - side * rx * 0.45, y + ry * 1.25, *inner)}Z"
        ball = path(d, colour, f'stroke="{INK}" stroke-width="4"')
    else:
        ball = ellipse(x, y, rx, ry, colour, f'stroke="{INK}" stroke-width="4"')
    at_x, at_y = x + eyes.gaze[0], y + eyes.gaze[1]
    return (
        ball
        + ellipse(x, y + ry * 0.3, rx * 0.72, ry * 0.55, "#fff", 'opacity=".28"')
        + ellipse(at_x, at_y, rx * eyes.pupil, ry * 0.8, INK)
        + _shine(at_x, at_y, rx)
    )


def _shine(x: float, y: float, rx: float) -> str:
    return ellipse(x - rx * 0.3, y - rx * 0.38, rx * 0.3, rx * 0.32, "#fff") + ellipse(
        x + rx * 0.28, y + rx * 0.38, rx * 0.14, rx * 0.14, "#fff", 'opacity=".9"'
    )


def _half(eyes: Eyes, colour: str, x: float, y: float, rx: float, ry: float) -> str:
    def bowl(wide: float, deep: float, lift: float) -> str:
        return f"M{n(x - wide, y)}A{n(wide, deep, 0, 0, 0, x + wide, y)}Q{n(x, y - lift, x - wide, y)}Z"

    side = 1 if x > 0 else -1
    lid = f"M{n(x - side * rx, y)}Q{n(x, y - 14, x + side * rx, y)}l{n(side * 5, 5)}"
    y += 1
    return (
        path(bowl(rx, ry, 14), colour, f'stroke="{INK}" stroke-width="4"')
        + path(bowl(rx * 0.72, ry * 0.84, 12), INK)
        + ellipse(x - rx * 0.25, y + ry * 0.16, rx * 0.26, rx * 0.26, "#fff")
        + ellipse(x + rx * 0.28, y + ry * 0.46, rx * 0.13, rx * 0.13, "#fff")
        + line(lid, INK, 5)
    )


def _nose(coat: Coat, y: float) -> str:
    colour = "#d97f86" if coat.pattern != "points" else "#c9868a"
    d = f"M{n(-9, y - 5)}Q{n(0, y - 9, 9, y - 5)}Q{n(8, y + 3, 0, y + 6)}Q{n(-8, y + 3, -9, y - 5)}Z"
    return path(d, colour, 'stroke="#9c4f58" stroke-width="1.5"')


def _mouth(colour: str, y: float, chance: Chance) -> str:
    d = f"M{n(-17, y + 13)}Q{n(-9, y + 22, 0, y + 13)}Q{n(9, y + 22, 17, y + 13)}M{n(0, y + 6)}V{n(y + 13)}"
    smile = line(d, colour, 3.2)
    if chance.often(0.16):
        tongue = f"M{n(-6, y + 17)}Q{n(-7, y + 29, 0, y + 29)}Q{n(7, y + 29, 6, y + 17)}"
        tongue += f"Q{n(3, y + 17, 0, y + 14)}Q{n(-3, y + 17, -6, y + 17)}Z"
        return path(tongue, "#f08a96", 'stroke="#a8505c" stroke-width="1.5"') + smile
    return smile


def _whiskers(w: float, h: float, colour: str, chance: Chance) -> str:
    droop = chance.between(-4, 8)
    d = "".join(
        f"M{n(side * w * 0.5, h * y)}Q{n(side * w * 0.85, h * y - 3, side * w * 1.22, h * end + droop)}"
        for side in (-1, 1)
        for y, end in ((0.44, 0.3), (0.54, 0.54), (0.64, 0.78))
    )
    return line(d, colour, 2, 'opacity=".7"')
