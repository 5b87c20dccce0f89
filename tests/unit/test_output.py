"""Lines out of the engine's frames: each once, whatever breaks off where."""

from hypothesis import given
from hypothesis import strategies as st

from runner.output import HEADER, LONGEST_LINE, Line, Output

CODES = {"stdout": 1, "stderr": 2}
TEXTS = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=5)


def stamp(n: int) -> str:
    return f"2026-11-22T12:00:{n // 1000:02}.{n % 1000:09}Z"


def frame(line: Line) -> bytes:
    payload = f"{line.stamp} {line.text}".encode()
    return HEADER.pack(CODES[line.stream], len(payload)) + payload


@st.composite
def logs(draw: st.DrawFn) -> list[Line]:
    """Lines of two streams, in order within each, some with the stamp of the one before."""
    lines, now = [], {"stdout": 0, "stderr": 0}
    for n, (stream, step, text) in enumerate(
        draw(st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.integers(0, 3), TEXTS), max_size=20))
    ):
        now[stream] += step
        lines.append(Line(stream, f"{n} {text}\n", stamp(now[stream])))
    return lines


def test_a_frame_is_a_line() -> None:
    line = Line("stderr", "grün\n", stamp(1))

    assert Output().feed(frame(line)) == [line]


def test_frames_without_newline_are_one_line_with_the_first_stamp() -> None:
    output = Output()
    begun = [Line("stdout", "a", stamp(1)), Line("stderr", "x\n", stamp(2)), Line("stdout", "b\n", stamp(3))]

    lines = output.feed(b"".join(map(frame, begun)))

    assert lines == [Line("stderr", "x\n", stamp(2)), Line("stdout", "ab\n", stamp(1))]


def test_the_rest_of_a_log_needs_no_newline() -> None:
    output = Output()

    assert output.feed(frame(Line("stdout", "a", stamp(1)))) == []
    assert output.rest() == [Line("stdout", "a", stamp(1))]
    assert output.rest() == []


def test_a_line_without_end_is_bounded() -> None:
    output = Output()
    part = Line("stdout", "x" * 16_000, stamp(1))

    for _ in range(100):
        assert output.feed(frame(part)) == []
    [line] = output.feed(frame(Line("stdout", "x\n", stamp(1))))

    assert len(line.text) == LONGEST_LINE + 1
    assert line.text.endswith("x\n")


def test_the_log_is_asked_for_from_a_little_before_the_newest_line() -> None:
    output = Output("2026-11-22T12:00:05.123456789Z")

    assert output.since == "1795348804.123456789"
    assert Output().since == ""


def test_what_another_runner_has_stored_is_left_out() -> None:
    lines = [Line("stdout", "a\n", stamp(1)), Line("stderr", "b\n", stamp(2)), Line("stdout", "c\n", stamp(3))]

    assert Output(stamp(2)).feed(b"".join(map(frame, lines))) == lines[2:]


@given(logs(), st.lists(st.integers(1, 50)))
def test_lines_do_not_depend_on_how_the_bytes_come(lines: list[Line], cuts: list[int]) -> None:
    output, data, got = Output(), b"".join(map(frame, lines)), []

    for cut in cuts:
        got += output.feed(data[:cut])
        data = data[cut:]
    got += output.feed(data)

    assert got == lines


@given(logs(), st.lists(st.integers(0, 600), max_size=5))
def test_a_log_that_breaks_off_and_is_asked_for_again_gives_each_line_once(
    lines: list[Line], breaks: list[int]
) -> None:
    output, data, got = Output(), b"".join(map(frame, lines)), []

    for length in breaks:
        output.again()
        got += output.feed(data[:length])
    output.again()
    got += output.feed(data)

    for stream in CODES:
        assert [line for line in got if line.stream == stream] == [line for line in lines if line.stream == stream]
