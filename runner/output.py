"""A container's output, as lines, each once, however often its log is asked for again.

The engine's frames carry a stamp each: RFC 3339 of fixed width, so that stamps compare as text. A line longer than
16 KiB comes in several frames with one stamp, which become one line again. Asking again starts a little before the
newest line, since two streams' lines may stand in another order than their stamps; what was seen is left out, stream by
stream.
"""

import struct
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

STREAMS = {1: "stdout", 2: "stderr"}
LONGEST_LINE = 256 * 1024  # bytes; what is beyond is left out
HEADER = struct.Struct(">BxxxL")
SLACK = timedelta(seconds=1)
_SECONDS = len("2026-11-22T12:00:00")


class Line(NamedTuple):
    stream: str  # stdout | stderr
    text: str  # as it was written, with its newline if it has one
    stamp: str


class Output:
    """Makes lines of what the engine sends. since: the newest stamp that is known already, of any stream."""

    def __init__(self, since: str = "") -> None:
        self._last = dict.fromkeys(STREAMS.values(), since)
        self._seen = dict.fromkeys(STREAMS.values(), 0)  # lines with that stamp; 0: all there are
        self.again()

    @property
    def since(self) -> str:
        """From when on to ask, as the engine's API wants it; "" for all."""
        newest = max(self._last.values())
        if not newest:
            return ""
        at = datetime.fromisoformat(newest[:_SECONDS]).replace(tzinfo=UTC) - SLACK
        fraction = newest[_SECONDS:].strip(".Z") or "0"
        return f"{int(at.timestamp())}.{fraction.ljust(9, '0')}"

    def again(self) -> None:
        """The log is asked for again: what was begun comes anew."""
        self._raw = bytearray()
        self._begun: dict[str, tuple[str, bytearray]] = {}
        self._skipped = dict.fromkeys(STREAMS.values(), 0)
        self._new = {stream: not last for stream, last in self._last.items()}

    def feed(self, data: bytes) -> list[Line]:
        """The lines that end in this part of the response."""
        self._raw += data
        lines, start = [], 0
        while len(self._raw) >= start + HEADER.size:
            kind, size = HEADER.unpack_from(self._raw, start)
            if len(self._raw) < start + HEADER.size + size:
                break
            start += HEADER.size
            frame = bytes(self._raw[start : start + size])
            start += size
            if kind in STREAMS:  # else the engine's own complaint
                lines += self._frame(STREAMS[kind], frame)
        del self._raw[:start]
        return lines

    def rest(self) -> list[Line]:
        """The last lines of a log that is at its end, where they have no newline."""
        begun, self._begun = self._begun, {}
        return [line for stream, (stamp, text) in begun.items() for line in self._line(stream, stamp, text)]

    def _frame(self, stream: str, frame: bytes) -> list[Line]:
        stamp, _, part = frame.partition(b" ")
        first, text = self._begun.pop(stream, (stamp.decode("ascii", "replace"), bytearray()))
        text += part[: max(0, LONGEST_LINE - len(text))]
        if not part.endswith(b"\n"):
            self._begun[stream] = (first, text)
            return []
        if not text.endswith(b"\n"):
            text += b"\n"
        return self._line(stream, first, text)

    def _line(self, stream: str, stamp: str, text: bytearray) -> list[Line]:
        last = self._last[stream]
        if not self._new[stream]:
            if stamp < last:
                return []
            if stamp == last and (not self._seen[stream] or self._skipped[stream] < self._seen[stream]):
                self._skipped[stream] += 1
                return []
            self._new[stream] = True
        self._seen[stream] = self._seen[stream] + 1 if stamp == last else 1
        self._last[stream] = stamp
        return [Line(stream, text.decode("utf-8", "replace"), stamp)]
