"""Poses: of which ribbons a kitten is made, from the back to the front, and where its head is.

The ground is at y = 412. The spine of a kitten that is seen from its side runs from the chest (left) to the rump.
"""

from typing import Literal

import msgspec

from duestream.kittens.shapes import Point, Ribbon

Kind = Literal["tail", "wrap", "far", "body", "haunch", "near", "paw", "head", "prop", "cover"]


class Layer(msgspec.Struct, frozen=True):
    """One thing to draw.

    wrap: a tail before the body; far: a leg behind the body; near: one that grows out of it; paw: one seen whole;
    haunch: only a line on the body; cover: the part of a prop that is before the kitten.
    """

    kind: Kind
    ribbon: Ribbon | None = None


class Pose(msgspec.Struct, frozen=True):
    """words: what it does, for the title; size: of the head; reach: of stripes from the back and from the belly."""

    name: str
    words: str
    layers: tuple[Layer, ...]
    head: Point
    size: float = 1.0
    tilt: float = 6.0  # degrees, at most, to either side
    reach: tuple[float, float] = (0.85, 0.0)
    facing: bool = False  # its chest is seen
    prop: str = ""
    asleep: bool = False
    neck: bool = True  # there is room for a collar


def _ribbon(curve: str, *radii: float) -> Ribbon:
    points = [tuple(float(number) for number in point.split(",")) for point in curve.split()]
    a, b, c, d = ((point[0], point[1]) for point in points)
    return Ribbon((a, b, c, d), radii)


def _layer(kind: Kind, curve: str, *radii: float) -> Layer:
    return Layer(kind, _ribbon(curve, *radii))


HEAD, PROP, COVER = Layer("head"), Layer("prop"), Layer("cover")

POSES = (
    Pose(
        "sitting",
        "sitting",
        (
            _layer("tail", "300,388 395,412 430,340 388,286", 15, 18, 16, 11),
            _layer("body", "240,242 240,272 240,300 240,326", 56, 68, 86),
            _layer("paw", "186,393 176,393 168,394 160,394", 18, 19),
            _layer("paw", "294,393 304,393 312,394 320,394", 18, 19),
            _layer("near", "212,296 211,335 211,360 211,389", 22, 19, 18, 22),
            _layer("near", "268,296 269,335 269,360 269,389", 22, 19, 18, 22),
            HEAD,
        ),
        (240, 180),
        reach=(0.6, 0.6),
        facing=True,
    ),
    Pose(
        "playing",
        "playing with a ball of yarn",
        (
            _layer("tail", "330,388 425,412 455,340 413,286", 15, 18, 16, 11),
            _layer("body", "270,242 270,272 270,300 270,326", 56, 68, 86),
            _layer("paw", "216,393 206,393 198,394 190,394", 18, 19),
            _layer("paw", "324,393 334,393 342,394 350,394", 18, 19),
            PROP,
            _layer("near", "298,296 299,335 299,360 299,389", 22, 19, 18, 22),
            _layer("near", "238,290 205,300 175,318 148,330", 22, 19, 18, 22),
            HEAD,
        ),
        (262, 182),
        tilt=10,
        reach=(0.6, 0.6),
        facing=True,
        prop="yarn",
    ),
    Pose(
        "loaf",
        "loafing",
        (
            _layer("body", "160,338 200,325 280,325 320,338", 72, 82, 72),
            _layer("paw", "196,397 204,398 212,398 220,397", 15, 15),
            _layer("paw", "262,397 270,398 278,398 286,397", 15, 15),
            _layer("wrap", "346,362 404,418 350,410 306,400", 7, 17, 16, 12),
            HEAD,
        ),
        (240, 238),
        reach=(0.75, 0.0),
    ),
    Pose(
        "lying",
        "lying down",
        (
            _layer("tail", "396,380 446,396 448,340 414,312", 14, 16, 15, 11),
            _layer("far", "150,374 120,386 100,390 76,389", 19, 17, 18),
            _layer("body", "170,348 230,315 310,322 362,346", 56, 62, 64),
            _layer("haunch", "352,318 356,336 358,352 358,366", 40, 44, 44),
            _layer("paw", "352,396 338,396 326,396 312,396", 16, 16),
            _layer("near", "206,370 170,390 138,394 108,393", 10, 19, 19),
            HEAD,
        ),
        (168, 252),
    ),
    Pose(
        "standing",
        "out for a walk",
        (
            _layer("tail", "370,292 440,290 440,210 404,168", 15, 17, 16, 11),
            _layer("far", "206,326 208,350 216,370 216,391", 21, 17, 20),
            _layer("far", "300,326 296,350 284,370 286,391", 24, 17, 20),
            _layer("body", "160,304 210,290 280,288 330,300", 56, 55, 58),
            _layer("near", "172,326 168,350 164,370 162,391", 24, 18, 21),
            _layer("near", "340,312 364,345 342,370 344,391", 36, 20, 21),
            HEAD,
        ),
        (158, 214),
    ),
    Pose(
        "stretching",
        "having a good stretch",
        (
            _layer("tail", "384,250 424,214 440,160 400,120", 15, 17, 16, 11),
            _layer("far", "160,366 130,376 100,384 66,384", 19, 17, 18),
            _layer("far", "326,310 326,340 316,370 316,391", 26, 17, 20),
            _layer("body", "190,352 240,322 300,268 350,276", 46, 54, 62),
            _layer("near", "364,292 392,340 370,370 372,391", 40, 21, 21),
            _layer("near", "206,366 170,388 132,394 96,393", 12, 19, 19),
            HEAD,
        ),
        (164, 278),
        size=0.9,
        tilt=8,
    ),
    Pose(
        "peeking",
        "peeking out of a box",
        (
            PROP,
            _layer("tail", "330,360 390,290 410,230 372,182", 15, 18, 16, 11),
            _layer("body", "240,262 240,280 240,300 240,320", 58, 70, 80),
            HEAD,
            COVER,
            _layer("paw", "184,300 184,306 184,312 184,318", 20, 21),
            _layer("paw", "296,300 296,306 296,312 296,318", 20, 21),
        ),
        (240, 212),
        tilt=9,
        reach=(0.6, 0.6),
        facing=True,
        prop="box",
        neck=False,
    ),
    Pose(
        "curled",
        "curled up asleep",
        (
            PROP,
            _layer("body", "190,318 230,290 300,290 326,320", 78, 84, 82),
            _layer("haunch", "318,310 326,326 330,342 328,352", 50, 52, 50),
            _layer("wrap", "352,346 420,418 300,414 240,396", 7, 18, 17, 13),
            HEAD,
            _layer("paw", "206,398 196,402 186,403 174,401", 16, 16),
        ),
        (164, 318),
        size=0.9,
        prop="cushion",
        asleep=True,
        neck=False,
    ),
)
