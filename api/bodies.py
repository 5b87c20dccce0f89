"""Bodies as JSON, NDJSON or a form; what is wrong with one is told by the field's name."""

from collections.abc import AsyncIterator, Callable, Collection
from typing import Generic, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from api.problems import Problem, from_validation, invalid, malformed
from api.query import with_sign
from api.requests import header

JSON = "application/json"
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
MOST_FIELDS = 100  # of a form

Item = TypeVar("Item", bound=msgspec.Struct)
Decoded = TypeVar("Decoded")


class Body(Generic[Item]):
    """Decodes bodies of one type, and where a client may send many: arrays and NDJSON of it, up to `most`.

    form: whether a form will do, told by the fields of it that are times: their offset's plus sign is often not quoted.
    optional: whether no body at all is as good as one that says nothing.
    """

    def __init__(
        self,
        type: type[Item],
        *,
        most: int = 1,
        form: Collection[str] | None = None,
        example: object = None,
        optional: bool = False,
    ) -> None:
        self.type = type
        self.most = most
        self.form = form
        self.example = example
        self.optional = optional
        self._one: msgspec.json.Decoder[Item] = msgspec.json.Decoder(type)
        self._many: msgspec.json.Decoder[list[Item]] = msgspec.json.Decoder(list[type])  # type: ignore[valid-type]
        self._fields = type.__struct_encode_fields__

    @property
    def media_types(self) -> list[str]:
        return [JSON, *(NDJSON[:1] if self.most > 1 else ()), *(FORMS if self.form is not None else ())]

    async def one(self, request: Request, limit: int) -> Item:
        """The one that the body holds. Raises Problem."""
        found = await self.read(request, limit)
        if isinstance(found, list):
            raise invalid("body", "expected one JSON object, got an array")
        return found

    async def read(self, request: Request, limit: int) -> Item | list[Item]:
        """What the body holds: one object, or a list where it is an array or NDJSON. Raises Problem."""
        if self.optional and _is_empty(request):
            return self.type()
        kind = (header(request, b"content-type") or JSON).partition(";")[0].strip().lower()
        if kind != JSON and kind not in self.media_types and not (self.most > 1 and kind in NDJSON):
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
        except UnicodeDecodeError:
            raise malformed("expected JSON in UTF-8") from None
        except msgspec.DecodeError as error:
            what = str(error) if data.strip() else "the body is empty"
            raise malformed(f"expected JSON: {what[:1].lower()}{what[1:]}") from None
        except RecursionError:
            raise malformed("expected JSON that is nested less deeply") from None

    def _counted(self, items: list[Item]) -> list[Item]:
        if not 1 <= len(items) <= self.most:
            raise invalid("body", f"expected 1 to {self.most:,} items, got {len(items):,}")
        return items

    def _from_form(self, fields: dict[str, str]) -> Item:
        given = {name: value for name, value in fields.items() if value != "" or name == "title"}
        for name in self.form or ():
            if name in given:
                given[name] = with_sign(given[name])
        try:
            return msgspec.convert(given, self.type)
        except msgspec.ValidationError as error:
            raise from_validation(error, self._fields) from None


def _is_empty(request: Request) -> bool:
    """Whether a request has no body."""
    return header(request, b"content-length") in (None, "0") and header(request, b"transfer-encoding") is None


async def read_bytes(request: Request, limit: int) -> bytes:
    """The whole body. Raises Problem 413 as soon as it is known to be longer than `limit` bytes."""
    declared = header(request, b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise malformed("the body ended early")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        more = message.get("more_body", False)
        if size > limit:
            raise _too_large(limit)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(limit: int) -> Problem:
    return Problem(413, "too-large", f"expected a body of at most {limit:,} bytes", headers={"connection": "close"})


async def _form(headers: Headers, data: bytes) -> dict[str, str]:
    kind = headers["content-type"].partition(";")[0].strip().lower()
    pairs = _urlencoded(data) if kind == FORMS[0] else await _multipart(headers, data)
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields:
            raise invalid(name, "given more than once")
        fields[name] = value
    return fields


def _urlencoded(data: bytes) -> list[tuple[str, str]]:
    if data.lstrip()[:1] in (b"{", b"["):
        raise invalid("body", f"looks like JSON, but was sent as a form: send Content-Type: {JSON}")
    try:
        return parse_qsl(data.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except UnicodeDecodeError:
        raise malformed("expected a form in UTF-8") from None
    except ValueError:
        raise malformed(f"expected a form of at most {MOST_FIELDS} fields") from None


async def _multipart(headers: Headers, data: bytes) -> list[tuple[str, str]]:
    async def stream() -> AsyncIterator[bytes]:
        yield data
        yield b""

    try:
        parsed = await MultiPartParser(headers, stream(), max_files=0, max_fields=MOST_FIELDS).parse()  # type: ignore[arg-type]
    except KeyError:
        raise malformed("expected a multipart form, whose Content-Type tells its boundary") from None
    except MultiPartException as error:
        raise malformed(f"expected a multipart form of text fields: {error.message}") from None
    return [(name, value) for name, value in parsed.multi_items() if isinstance(value, str)]
