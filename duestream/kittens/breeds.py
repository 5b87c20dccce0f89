"""Breeds: what a kitten is like whatever its coat."""

import msgspec

from duestream.kittens.chance import Chance


class Breed(msgspec.Struct, frozen=True):
    """width, height: of the half head; ear: how far its tip stands above the head, as a share of the height.

    lean: how far the tip of the ear stands to the side; build: the body's breadth; fluff: 0 (sleek) to 1 (a cloud).
    """

    name: str
    width: float
    height: float
    ears: str = "pointed"
    ear: float = 0.62
    lean: float = 0.82
    build: float = 1.0
    fluff: float = 0.0
    tail: float = 1.0
    eye: float = 1.0


BREEDS = (
    Breed("shorthair", 100, 82),
    Breed("british", 110, 88, ears="round", ear=0.36, lean=0.8, build=1.1, tail=1.15, eye=1.05),
    Breed("oriental", 90, 84, ear=0.76, lean=1.0, build=0.9, tail=0.75, eye=1.04),
    Breed("fold", 106, 88, ears="folded", ear=0.2, build=1.06, tail=1.05, eye=1.1),
    Breed("forest", 102, 84, ears="tufted", ear=0.72, lean=0.86, build=1.04, fluff=0.7, tail=1.45),
    Breed("persian", 110, 84, ears="round", ear=0.34, lean=0.84, build=1.1, fluff=1.0, tail=1.6, eye=1.08),
)
WORDS = {"fold": "fold-eared ", "forest": "long-haired ", "persian": "fluffy ", "oriental": "slender "}


def breed(chance: Chance) -> Breed:
    """One of them, as far from its kind as siblings are from each other."""
    kind = chance.pick(BREEDS)
    return msgspec.structs.replace(
        kind,
        width=kind.width * chance.between(0.97, 1.03),
        height=kind.height * chance.between(0.97, 1.03),
        ear=kind.ear * chance.between(0.9, 1.12),
        eye=kind.eye * chance.between(0.94, 1.08),
    )
