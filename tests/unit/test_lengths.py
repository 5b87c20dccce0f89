"""The handler that is built in."""

import msgspec
import pytest

from duestream import handlers
from duestream.handlers import Context, Failure, find
from duestream.lengths import length

handlers.load([])


@pytest.mark.parametrize(("text", "counted"), [("hello", 5), ("", 0), ("Grüße", 5)])
async def test_a_text_has_so_many_characters(text: str, counted: int) -> None:
    payload = msgspec.json.encode({"text": text, "seconds": 0})
    [converted] = find("length").arguments(msgspec.Raw(payload), Context("id", 1))

    assert await length(converted) == counted


async def test_without_seconds_it_takes_three(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("duestream.lengths.asyncio.sleep", sleep)
    for payload in (b'"hello"', b"[1, 2]", b'{"text": "x"}', b'{"text": "x", "seconds": 0.5}'):
        await length(*find("length").arguments(msgspec.Raw(payload), Context("id", 1)))

    assert slept == [3.0, 3.0, 3.0, 0.5]


@pytest.mark.parametrize(
    ("payload", "field"),
    [(b"5", "payload"), (b"null", "payload"), (b'{"seconds": 1}', "text"), (b'{"text": "x", "second": 1}', "second")],
)
def test_a_payload_of_another_form_is_refused_by_its_field(payload: bytes, field: str) -> None:
    with pytest.raises(Failure, match=field):
        find("length").arguments(msgspec.Raw(payload), Context("id", 1))
