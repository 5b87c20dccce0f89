"""Handlers of payload jobs: functions that are registered by name.

    from duestream.handlers import Context, handler

    class Mail(msgspec.Struct):
        to: str
        text: str

    @handler("mail")
    async def mail(payload: Mail, context: Context) -> str: ...

The first parameter is the payload, converted to its annotation; a second one, if there is one, is the context. A plain
function runs in a thread. What it returns is the job's result, any JSON; what it raises is the job's error.
"""

import difflib
import importlib
import inspect
import typing
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from duestream.errors import DuestreamError, Misuse

LONGEST_NOTE = 1000  # characters

Function = TypeVar("Function", bound=Callable[..., Any])


class Failure(DuestreamError):
    """A job that cannot succeed, whatever is tried; its message is the job's error."""


class Context:
    """What a handler may know of its job, and say of it."""

    def __init__(self, job_id: str, attempt: int) -> None:
        self.job_id = job_id
        self.attempt = attempt
        self.latest: tuple[float, str] | None = None
        self._canceled = False

    def progress(self, done: float, note: str = "") -> None:
        """Say how far the work is, from 0 to 1; of several in one second the last is told. From any thread."""
        if not 0 <= done <= 1:
            raise ValueError(f"progress: expected 0 to 1, got {done}")
        self.latest = (float(done), writable(str(note)[:LONGEST_NOTE]))

    @property
    def canceled(self) -> bool:
        """Whether the result is no longer wanted: a plain function should look, and return."""
        return self._canceled

    def cancel(self) -> None:
        """Tell whoever looks."""
        self._canceled = True


class Handler:
    """One function, and how it is called."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.function = function
        self.is_async = inspect.iscoroutinefunction(function)
        parameters = list(inspect.signature(function).parameters.values())
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        needed = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
        if not 1 <= len(positional) <= 2 or needed:
            raise Misuse(f"the handler {name!r} must take a payload, and may take a context")
        self.takes_context = len(positional) > 1
        hints = typing.get_type_hints(function)
        self._decode = msgspec.json.Decoder(hints.get(parameters[0].name, Any)).decode

    def arguments(self, payload: msgspec.Raw, context: Context) -> tuple[Any, ...]:
        """What the function is to be called with. Raises Failure where the payload is not what it takes."""
        try:
            converted = self._decode(payload)
        except msgspec.DecodeError as error:  # also ValidationError, which names the field
            raise Failure(f"payload: {_lower(str(error)).replace('`$', '`payload')}") from None
        return (converted, context) if self.takes_context else (converted,)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _place(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def writable(text: str) -> str:
    """The text without what UTF-8 cannot have, as names of files may bring it along."""
    return text.encode("utf-8", "replace").decode()


_registered: dict[str, Handler] = {}


def handler(name: str) -> Callable[[Function], Function]:
    """Register a function as the handler of this name."""

    def register(function: Function) -> Function:
        known = _registered.get(name)
        if known is not None and _place(known.function) != _place(function):
            raise Misuse(f"there are two handlers {name!r}: {_place(known.function)} and {_place(function)}")
        _registered[name] = Handler(name, function)
        return function

    return register


def load(modules: Sequence[str]) -> None:
    """Import the modules that register handlers. Raises Misuse."""
    for name in (BUILT_IN, *modules):
        try:
            importlib.import_module(name)
        except Misuse:
            raise
        except Exception as error:
            raise Misuse(f"DUESTREAM_HANDLERS: {name} cannot be imported: {type(error).__name__}: {error}") from error


BUILT_IN = "duestream.lengths"


def find(name: str) -> Handler:
    """The handler of this name. Raises Failure that tells which there are."""
    found = _registered.get(name)
    if found is None:
        near = difflib.get_close_matches(name, _registered, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise Failure(f"there is no handler {name!r}: this runner has {', '.join(sorted(_registered))}{hint}")
    return found
