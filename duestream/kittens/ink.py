"""SVG elements as text."""

from duestream.kittens.shapes import n


def path(d: str, fill: str = "none", more: str = "") -> str:
    return f'<path d="{d}" fill="{fill}"{more and " " + more}/>'


def line(d: str, colour: str, width: float, more: str = "") -> str:
    return path(d, "none", f'stroke="{colour}" stroke-width="{n(width)}"{more and " " + more}')


def ellipse(x: float, y: float, rx: float, ry: float, fill: str, more: str = "") -> str:
    at = f'cx="{n(x)}" cy="{n(y)}" rx="{n(rx)}" ry="{n(ry)}"'
    return f'<ellipse {at} fill="{fill}"{more and " " + more}/>'


def group(inner: str, transform: str) -> str:
    return f'<g transform="{transform}">{inner}</g>'


class Clips:
    """Cuts drawings to outlines, each under an id of its own."""

    def __init__(self) -> None:
        self._count = 0

    def within(self, d: str, inner: str) -> str:
        if not inner:
            return ""
        self._count += 1
        name = f"k{self._count}"
        return f'<clipPath id="{name}"><path d="{d}"/></clipPath><g clip-path="url(#{name})">{inner}</g>'
