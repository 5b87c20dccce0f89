"""Coats: colours that go together, and the patterns they come in."""

import msgspec

from duestream.kittens.chance import Chance

WHITE, SOFT_WHITE_LINE = "#fffaf3", "#a08f80"
GREENS, AMBERS, BLUES = ("#7fb86a", "#9cc46b"), ("#e3a72f", "#d98a2b", "#c9a24a"), ("#6fb2e0", "#5d9bd8")


class Tint(msgspec.Struct, frozen=True):
    """base: the fur; mark: its darker stripes; light: chest and muzzle; line: around it; eyes: what suits it."""

    name: str
    base: str
    mark: str
    light: str
    line: str
    eyes: tuple[str, ...]


GINGER = Tint("ginger", "#f4ab62", "#dd7f35", "#ffe6c8", "#94501f", GREENS + AMBERS)
CREAM = Tint("cream", "#f8e0bc", "#e6bd8b", "#fff6e6", "#a17c55", AMBERS + BLUES)
GREY = Tint("grey", "#a7b0bd", "#7b8695", "#e6eaef", "#4c5664", AMBERS + GREENS)
BROWN = Tint("brown", "#bd936b", "#7c5534", "#efdcc3", "#563a22", GREENS + AMBERS)
BLACK = Tint("black", "#5a5562", "#3c3844", "#8a8494", "#26232c", GREENS + AMBERS)
CHOCOLATE = Tint("chocolate", "#8d6653", "#64443a", "#d9bdab", "#432c22", GREENS + AMBERS)
SILVER = Tint("silver", "#d9dde2", "#7f8893", "#f8f9fb", "#5a626c", GREENS + BLUES)
LILAC = Tint("lilac", "#cdbcc9", "#a58fa2", "#f3eaf1", "#6d5a6c", AMBERS + BLUES)
SNOW = Tint("white", WHITE, "#ece2d6", "#ffffff", SOFT_WHITE_LINE, AMBERS + BLUES)


class Coat(msgspec.Struct, frozen=True):
    """A tint in a pattern. patches: the colours of what lies on the base; tips: paws, "" where they are as the rest."""

    pattern: str
    name: str
    tint: Tint
    patches: tuple[str, ...] = ()
    tips: str = ""
    ears: tuple[str, str] = ("", "")
    tail: str = ""
    odd: float = 0.04  # the share of kittens with eyes of two colours

    @property
    def dark(self) -> bool:
        return self.tint.name in ("black", "chocolate") and self.pattern != "points"


def _plain(tint: Tint) -> Coat:
    return Coat("solid", tint.name, tint, odd=0.35 if tint is SNOW else 0.04)


def _and_white(pattern: str, tint: Tint) -> Coat:
    name = f"{tint.name} tuxedo" if pattern == "tuxedo" else f"{tint.name} and white"
    return Coat(pattern, name, tint, patches=(WHITE,), tips=WHITE, odd=0.1)


def _points(name: str, base: str, point: str, line: str) -> Coat:
    tint = Tint(name, base, point, "#fffaf0", line, BLUES)
    return Coat("points", f"{name}-point", tint, (point,), tips=point, ears=(point, point), tail=point, odd=0)


def _calico(name: str, orange: str, dark: str) -> Coat:
    return Coat("calico", name, SNOW, (orange, dark), ears=(orange, dark), tail=dark, odd=0.15)


def _tortoiseshell(name: str, tint: Tint, other: str) -> Coat:
    return Coat("tortoiseshell", name, tint, patches=(other, tint.mark, other), ears=(other, ""))


def _marked(pattern: str, tint: Tint) -> Coat:
    return Coat(pattern, f"{tint.name} {pattern}", tint, patches=(tint.mark,))


COATS = {
    "solid": tuple(_plain(tint) for tint in (BLACK, SNOW, GREY, CREAM, GINGER, CHOCOLATE, LILAC)),
    "tabby": tuple(_marked("tabby", tint) for tint in (GINGER, BROWN, SILVER, GREY, CREAM, GINGER)),
    "spotted": tuple(_marked("spotted", tint) for tint in (SILVER, BROWN, GINGER)),
    "tuxedo": tuple(_and_white("tuxedo", tint) for tint in (BLACK, GREY, CHOCOLATE)),
    "bicolour": tuple(_and_white("bicolour", tint) for tint in (GINGER, GREY, CREAM, LILAC)),
    "calico": (_calico("calico", "#f0a050", "#5a5560"), _calico("pale calico", "#f6d3a2", "#a9b2c0")),
    "tortoiseshell": (
        _tortoiseshell("tortoiseshell", BLACK, "#dd8f4a"),
        _tortoiseshell("pale tortoiseshell", GREY, "#f0cfa0"),
    ),
    "points": (
        _points("seal", "#f3e6d3", "#6f5648", "#5d4538"),
        _points("blue", "#eef0f3", "#8c9bb0", "#5c6878"),
        _points("flame", "#fff0dd", "#eda463", "#9a5e30"),
        _points("lilac", "#f6eef0", "#b79fae", "#77606f"),
    ),
}


def coat(chance: Chance) -> Coat:
    """A pattern, each as likely as the others, in one of its colours; patches may lie on either side."""
    chosen = chance.pick(COATS[chance.pick(list(COATS))])
    if chance.often(0.5):
        return msgspec.structs.replace(
            chosen, ears=chosen.ears[::-1], patches=chosen.patches[::-1], tail=chosen.tail and chosen.patches[0]
        )
    return chosen
