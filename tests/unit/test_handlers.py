"""Registering, finding and calling handlers."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from duestream import handlers
from duestream.errors import Misuse
from duestream.handlers import Context, Failure, find, handler, load

CONTEXT = Context("0" * 32, 2)


class Address(msgspec.Struct):
    street: str
    number: int = 1


class Mail(msgspec.Struct):
    to: str
    address: Address | None = None


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is built in, and those that a test registers, as long as it lasts."""
    load([])
    monkeypatch.setattr(handlers, "_registered", {"length": find("length")})


def test_a_payload_is_converted_to_its_annotation() -> None:
    @handler("mail")
    async def mail(payload: Mail) -> None: ...

    arguments = find("mail").arguments(msgspec.Raw(b'{"to":"me","address":{"street":"High"}}'), CONTEXT)

    assert arguments == (Mail("me", Address("High")),)
    assert find("mail").is_async


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"{}", "missing required field `to`"),
        (b'{"to": 5}', r"expected `str`, got `int` - at `payload\.to`"),
        (b'{"to": "me", "address": {"street": "High", "number": "x"}}', r"at `payload\.address\.number`"),
    ],
)
def test_a_payload_that_does_not_fit_is_refused_by_the_name_of_its_field(payload: bytes, says: str) -> None:
    @handler("mail")
    def mail(payload: Mail) -> None: ...

    with pytest.raises(Failure, match=f"^payload: .*{says}"):
        find("mail").arguments(msgspec.Raw(payload), CONTEXT)


def test_the_context_is_given_to_those_who_take_it() -> None:
    @handler("with")
    def with_context(payload: Any, context: Context) -> None: ...

    @handler("without")
    def without(payload: Any, *, verbose: bool = False) -> None: ...

    assert find("with").arguments(msgspec.Raw(b"[1]"), CONTEXT) == ([1], CONTEXT)
    assert find("without").arguments(msgspec.Raw(b"null"), CONTEXT) == (None,)


def test_a_payload_without_annotation_is_what_json_says() -> None:
    @handler("any")
    def anything(payload):  # type: ignore[no-untyped-def]
        return payload

    assert find("any").arguments(msgspec.Raw(b'{"a": [1, null]}'), CONTEXT) == ({"a": [1, None]},)


def test_an_unknown_handler_is_told_with_those_that_exist() -> None:
    load([])

    @handler("mail")
    def mail(payload: Any) -> None: ...

    with pytest.raises(Failure, match="no handler 'nail': this runner has length, mail; did you mean mail"):
        find("nail")


def test_two_handlers_of_one_name_are_refused_and_the_same_one_twice_is_not() -> None:
    def one(payload: Any) -> None: ...

    def other(payload: Any) -> None: ...

    handler("name")(one)
    handler("name")(one)

    with pytest.raises(Misuse, match="two handlers 'name'"):
        handler("name")(other)


def test_functions_of_one_name_in_two_modules_are_two_handlers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first_jobs", "second_jobs"):
        text = "from duestream.handlers import handler\n@handler('send')\ndef send(payload): ...\n"
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(Misuse, match=r"first_jobs\.send and second_jobs\.send"):
        load(["first_jobs", "second_jobs"])


@pytest.mark.parametrize("text", ["import nowhere_at_all", "1 / 0", "def broken(:"])
def test_a_module_that_cannot_be_imported_is_named(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad_jobs.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(Misuse, match="DUESTREAM_HANDLERS: bad_jobs cannot be imported"):
        load(["bad_jobs"])


def test_a_function_that_cannot_be_called_with_a_payload_is_refused() -> None:
    def none() -> None: ...

    def three(a: Any, b: Any, c: Any) -> None: ...

    def named(payload: Any, *, needed: Any) -> None: ...

    for function in (none, three, named):
        with pytest.raises(Misuse, match="must take a payload"):
            handler("name")(function)


def test_progress_is_from_0_to_1_and_its_note_is_bounded_text() -> None:
    context = Context("id", 1)
    context.progress(1, "a\udc80" + 5000 * "x")

    assert context.latest == (1.0, ("a?" + 5000 * "x")[:1000])
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="expected 0 to 1"):
            context.progress(wrong)


def test_a_context_tells_that_its_job_was_canceled() -> None:
    context = Context("id", 1)
    assert not context.canceled

    context.cancel()

    assert context.canceled
