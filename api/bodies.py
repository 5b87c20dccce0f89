"""Reading what a client sent: bodies as JSON, NDJSON or a form; query parameters; each refused by the field's name."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Generic, TypeVar

import msgspec
from starlette.datastructures import Headers
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from api.problems import Problem, from_validation, invalid

JSON = "application/json"
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

Item = TypeVar("Item", bound=msgspec.Struct)
Decoded = TypeVar("Decoded")


class Body(Generic[Item]):
    """Decodes bodies of one type, and where a client may send many: arrays and NDJSON of it, up to `most`."""

    def __init__(self, type: type[Item], *, most: int = 1, form: bool = False) -> None:
        self.type = type
        self.most = most
        self.form = form
        self._one: msgspec.json.Decoder[Item] = msgspec.json.Decoder(type)
        self._many: msgspec.json.Decoder[list[Item]] = msgspec.json.Decoder(list[type])  # type: ignore[valid-type]
        self._fields = type.__struct_encode_fields__

    @property
    def media_types(self) -> list[str]:
        return [JSON, *(NDJSON[:1] if self.most > 1 else ()), *(FORMS if self.form else ())]

    async def one(self, request: Request, limit: int) -> Item:
        """The one that the body holds. Raises Problem."""
        found = await self.read(request, limit)
        if isinstance(found, list):
            raise invalid("body", "expected one JSON object, got an array")
        return found

    async def read(self, request: Request, limit: int) -> Item | list[Item]:
        """What the body holds: one object, or a list where it is an array or NDJSON. Raises Problem."""
        sent = request.headers.get("content-type", JSON)
        kind = sent.partition(";")[0].strip().lower()
        if kind not in self.media_types and not (self.most > 1 and kind in NDJSON):
            raise Problem(
                415, "unsupported-media-type", f"expected {' or '.join(self.media_types)}, got {kind or 'nothing'}",
                headers={"accept-post": ", ".join(self.media_types)},
            )  # fmt: skip
        data = await read_bytes(request, limit)
        if kind == JSON:
            if self.most > 1 and data.lstrip()[:1] == b"[":
                return self._counted(self._decode(self._many.decode, data))
            return self._decode(self._one.decode, data)
        if kind in NDJSON:
            return self._counted(self._decode(self._one.decode_lines, data))
        return self._from_form(await _form(request.headers, data))

    def _decode(self, decode: Callable[[bytes], Decoded], data: bytes) -> Decoded:
        try:
            return decode(data)
        except msgspec.ValidationError as error:
            raise from_validation(error, self._fields) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Problem(400, "malformed", f"the body is not JSON: {error}") from None
        except RecursionError:
            raise Problem(400, "malformed", "the body is nested too deeply") from None

    def _counted(self, items: list[Item]) -> list[Item]:
        if not 1 <= len(items) <= self.most:
            raise invalid("body", f"expected 1 to {self.most:,} items, got {len(items):,}")
        return items

    def _from_form(self, fields: dict[str, str]) -> Item:
        if len(fields) == 1 and next(iter(fields)).lstrip().startswith(("{", "[")):
            raise invalid("body", f"looks like JSON, but was sent as a form: send Content-Type: {JSON}")
        given = {name: value for name, value in fields.items() if value != "" or name == "title"}
        try:
            return msgspec.convert(given, self.type, strict=False)
        except msgspec.ValidationError as error:
            raise from_validation(error, self._fields) from None


async def read_bytes(request: Request, limit: int) -> bytes:
    """The whole body. Raises Problem 413 as soon as it is known to be longer than `limit` bytes."""
    declared = request.headers.get("content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
            chunks.append(chunk)
    except ClientDisconnect:
        raise Problem(400, "malformed", "the body ended early") from None
    return b"".join(chunks)


def _too_large(limit: int) -> Problem:
    return Problem(413, "too-large", f"expected a body of at most {limit:,} bytes", headers={"connection": "close"})


async def _form(headers: Headers, data: bytes) -> dict[str, str]:
    async def stream() -> AsyncIterator[bytes]:
        yield data
        yield b""

    kind = headers["content-type"].lower()
    try:
        if kind.startswith(FORMS[1]):
            parsed = await MultiPartParser(headers, stream(), max_files=0).parse()  # type: ignore[arg-type]
        else:
            parsed = await FormParser(headers, stream()).parse()  # type: ignore[arg-type]
    except (MultiPartException, KeyError, UnicodeDecodeError, ValueError) as error:
        raise Problem(400, "malformed", f"the body is not a form: {error}") from None
    fields: dict[str, str] = {}
    for name, value in parsed.multi_items():
        if name in fields:
            raise invalid(name, "given more than once")
        if not isinstance(value, str):
            raise invalid(name, "expected text, got a file")
        fields[name] = value
    return fields


class Query:
    """The query parameters of a request; those that nobody asks for by `known` are refused."""

    def __init__(self, request: Request, known: Sequence[str]) -> None:
        self._values: dict[str, str] = {}
        for name, value in request.query_params.multi_items():
            if name not in known:
                raise invalid(name, f"unknown query parameter; known are {', '.join(known)}")
            if name in self._values:
                raise invalid(name, "given more than once")
            self._values[name] = value

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
