"""The query parameters of a request, each refused by its name."""

import difflib
import re
from collections.abc import Collection, Sequence

from starlette.requests import Request

from api.problems import invalid

_UNSIGNED = re.compile(r"^(.{10}[Tt ]\d\d:\d\d\S*) (?=\d)")


def with_sign(instant: str) -> str:
    """A time with its offset's plus sign, which is a space where a client did not quote it."""
    return _UNSIGNED.sub(r"\1+", instant)


class Query:
    """The query parameters of a request, each given once at most."""

    def __init__(self, request: Request) -> None:
        self._values: dict[str, str] = {}
        for name, value in request.query_params.multi_items():
            if name in self._values:
                raise invalid(name, "given more than once")
            self._values[name] = value

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Raises Problem for a parameter that is none of these."""
        for name in self._values:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known) or 'none'}"
                raise invalid(name, f"unknown query parameter; {hint}")

    def text(self, name: str) -> str | None:
        return self._values.get(name)

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        """A whole number within bounds."""
        value = self._values.get(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and len(value) < 17 and least <= int(value) <= most):
            raise invalid(name, f"expected a whole number from {least} to {most:,}, got {value!r}")
        return int(value)

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """One of some words, the first where none is given."""
        value = self._values.get(name, choices[0])
        if value not in choices:
            raise invalid(name, f"expected {' or '.join(choices)}, got {value!r}")
        return value
