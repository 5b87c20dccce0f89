"""Kittens: a seed in, a whole SVG picture of one kitten out; the same seed, the same kitten.

Pure: nothing from outside gets into the picture, the seed only decides.
"""

from duestream.kittens.breeds import WORDS, Breed, breed
from duestream.kittens.chance import Chance
from duestream.kittens.coats import WHITE, Coat, coat
from duestream.kittens.faces import Eyes, eyes, face
from duestream.kittens.heads import head
from duestream.kittens.ink import Clips, ellipse, group, line, path
from duestream.kittens.marks import on_body, on_leg, on_tail, tufts
from duestream.kittens.poses import POSES, Layer, Pose
from duestream.kittens.scenes import background, bow, collar, cover, prop, ruff
from duestream.kittens.shapes import Ribbon, n


def kitten(seed: str) -> str:
    """An SVG document of a few KB, 480 by 480."""
    chance = Chance(seed)
    pose = chance.about("pose").pick(POSES)
    drawn = _Kitten(chance, pose, breed(chance.about("breed")), coat(chance.about("coat")))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 480" role="img">'
        f"<title>{drawn.words}</title>{background(chance.about('background'))}"
        f'<g stroke-linecap="round" stroke-linejoin="round">{drawn.figure}</g></svg>\n'
    )


class _Kitten:
    def __init__(self, chance: Chance, pose: Pose, breed: Breed, coat: Coat) -> None:
        self._chance = chance
        self._pose = pose
        self._breed = breed
        self._coat = coat
        self._clips = Clips()
        self._eyes: Eyes = eyes(coat, chance.about("eyes"), asleep=pose.asleep)

    @property
    def words(self) -> str:
        """`a smiling ginger tabby kitten, sitting`"""
        look = f"{self._eyes.words} " if self._eyes.words else ""
        words = f"{look}{WORDS.get(self._breed.name, '')}{self._coat.name} kitten, {self._pose.words}"
        return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"

    @property
    def figure(self) -> str:
        shadow = ellipse(240, 412, 178, 16, "#3a2f45", 'opacity=".14"')
        drawn = shadow + "".join(self._layer(index, layer) for index, layer in enumerate(self._pose.layers))
        if self._chance.about("side").often(0.5):
            return group(drawn, "translate(480 0) scale(-1 1)")
        return drawn

    def _layer(self, index: int, layer: Layer) -> str:
        chance, ribbon = self._chance.about(f"layer {index}"), layer.ribbon
        if layer.kind == "head":
            return self._head()
        if layer.kind == "prop":
            return prop(self._pose.prop, self._chance.about("prop"))
        if layer.kind == "cover":
            return cover(self._pose.prop, self._chance.about("prop"))
        assert ribbon is not None
        if layer.kind in ("tail", "wrap"):
            return self._tail(ribbon.wider(self._breed.tail), whole=layer.kind == "tail")
        if layer.kind == "body":
            outline = ribbon.outline()
            marks = on_body(self._coat, ribbon, self._pose, chance)
            fluff = tufts(ribbon, self._pose) if self._breed.fluff > 0.5 and self._pose.prop != "box" else ""
            fluff = fluff and self._coated(fluff)
            return fluff + self._coated(outline, self._clips.within(outline, marks))
        if layer.kind == "haunch":
            return self._line(ribbon.edge(0.45))
        return self._leg(layer.kind, ribbon, chance)

    def _tail(self, ribbon: Ribbon, *, whole: bool) -> str:
        marks = on_tail(self._coat, ribbon)
        if whole:
            return self._coated(ribbon.outline(), marks)
        return path(ribbon.edge(0.05), self._coat.tint.base) + marks + self._line(ribbon.edge(0.14))

    def _leg(self, kind: str, ribbon: Ribbon, chance: Chance) -> str:
        marks = path(ribbon.outline(), self._coat.tips) if kind == "paw" and self._coat.tips else ""
        if kind != "paw":
            marks = on_leg(self._coat, ribbon, chance)
        toes = "".join(f"M{n(*ribbon.wider(0.9).beside(1, k))}l{n(*self._toe(ribbon))}" for k in (-0.4, 0.4))
        shade = path(ribbon.outline(), "#3a2f45", 'opacity=".1"') if kind == "far" else ""
        if kind == "near":
            leg = path(ribbon.edge(0.06), self._coat.tint.base) + marks + self._line(ribbon.edge(0.34))
        else:
            leg = self._coated(ribbon.outline(), marks + shade)
        return leg + line(toes, self._coat.tint.line, 3)

    def _toe(self, ribbon: Ribbon) -> tuple[float, float]:
        """From the middle of a paw to its rim."""
        (x, y), (near_x, near_y) = ribbon.at(1), ribbon.at(0.98)
        length = ((x - near_x) ** 2 + (y - near_y) ** 2) ** 0.5 or 1
        reach = ribbon.radii[-1] * 0.75
        return ((x - near_x) / length * reach, (y - near_y) / length * reach)

    def _head(self) -> str:
        chance, pose = self._chance.about("head"), self._pose
        inner = (
            (self._neck() if pose.neck else "")
            + head(self._breed, self._coat, self._clips, chance)
            + face(self._breed, self._coat, self._eyes, chance)
            + bow(self._breed, self._chance.about("bow"))
        )
        size = f" scale({pose.size:g})" if pose.size != 1 else ""
        turn = chance.between(-pose.tilt, pose.tilt)
        return group(inner, f"translate({n(*pose.head)}) rotate({n(turn)}){size}")

    def _neck(self) -> str:
        tint, tuxedo = self._coat.tint, self._coat.pattern in ("tuxedo", "bicolour")
        colour = WHITE if tuxedo else tint.base if self._coat.dark else tint.light
        return ruff(self._breed, colour, tint.line) + collar(self._breed, self._chance.about("collar"))

    def _coated(self, d: str, marks: str = "") -> str:
        """A part in the base colour with marks on it, and a line around."""
        if not marks:
            return path(d, self._coat.tint.base, f'stroke="{self._coat.tint.line}" stroke-width="4"')
        return path(d, self._coat.tint.base) + marks + self._line(d)

    def _line(self, d: str) -> str:
        return line(d, self._coat.tint.line, 4)
