"""Pictures: drawn, from a folder, or from an image API; there is always one, and it stays the same."""

import asyncio
import logging
import struct
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import picture_sources
from api.pictures import REMEMBERED, Pictures
from duestream.errors import Misuse
from duestream.kittens import kitten
from duestream.settings import Settings, load

PNG = b"\x89PNG\r\n\x1a\n"
Answer = Callable[[httpx.Request], httpx.Response]
SlowAnswer = Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


class Api:
    """An image API that keeps what it was asked, and answers as it is told."""

    def __init__(self, answer: Answer | SlowAnswer, **settings: Any) -> None:
        self.asked: list[httpx.Request] = []
        self._answer = answer
        settings = {"pictures": "https://pictures.example/cat?of={seed}", **settings}
        self.pictures = Pictures(Settings(**settings), transport=httpx.MockTransport(self._answered))

    async def _answered(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self._answer(request)
        return answer if isinstance(answer, httpx.Response) else await answer


def image(body: bytes = b"cat", type: str = "image/jpeg", **more: str) -> httpx.Response:
    headers = {"content-type": type, **{name.replace("_", "-"): value for name, value in more.items()}}

    async def chunks() -> Any:
        for start in range(0, len(body), 64 * 1024):
            yield body[start : start + 64 * 1024]

    return httpx.Response(200, headers=headers, content=chunks())


async def gives_the_drawn_kitten(pictures: Pictures) -> bool:
    picture = await pictures.of("A00", png=False)
    return (picture.media_type, picture.body) == ("image/svg+xml", kitten("A00").encode())


def folder_of(path: Path, *names: str) -> Pictures:
    for name in names:
        (path / name).write_bytes(name.encode())
    return Pictures(Settings(pictures=str(path)))


async def test_without_a_source_a_kitten_is_drawn() -> None:
    picture = await Pictures(Settings()).of("A00", png=False)

    assert picture.body == kitten("A00").encode()
    assert picture.media_type == "image/svg+xml"
    assert picture.name.startswith("kitten-")
    assert picture.name.endswith(".svg")


async def test_the_drawn_kitten_is_had_as_png_too() -> None:
    picture = await Pictures(Settings()).of("A00", png=True)

    assert picture.body.startswith(PNG)
    assert struct.unpack(">II", picture.body[16:24]) == (960, 960)
    assert (picture.media_type, picture.name[-4:]) == ("image/png", ".png")


async def test_svg_and_png_of_a_seed_have_one_name_and_other_seeds_have_others() -> None:
    pictures = Pictures(Settings())

    names = [(await pictures.of(seed, png=png)).name for seed in ("A00", "A01") for png in (False, True)]

    assert [Path(name).stem for name in names[::2]] == [Path(name).stem for name in names[1::2]]
    assert len(set(names)) == 4


async def test_a_folder_gives_each_seed_one_of_its_images(tmp_path: Path) -> None:
    names = ["a.png", "b.jpg", "c.JPEG", "d.webp", "e.gif", "f.svg"]
    pictures = folder_of(tmp_path, *names, "notes.txt", "g.html")

    got = [await pictures.of(f"A{number}", png=False) for number in range(100)]

    assert {picture.body.decode(): picture.media_type for picture in got} == {
        "a.png": "image/png",
        "b.jpg": "image/jpeg",
        "c.JPEG": "image/jpeg",
        "d.webp": "image/webp",
        "e.gif": "image/gif",
        "f.svg": "image/svg+xml",
    }


async def test_another_process_with_the_same_folder_gives_a_seed_the_same_image(tmp_path: Path) -> None:
    here, there = folder_of(tmp_path, "a.png", "b.png", "c.png"), folder_of(tmp_path)

    for seed in ("A00", "../../etc/passwd", "\udcff"):
        assert await here.of(seed, png=False) == await there.of(seed, png=True)


async def test_a_new_file_in_the_folder_leaves_every_other_seed_its_image(tmp_path: Path) -> None:
    seeds = [f"A{number:02}" for number in range(40)]
    before = folder_of(tmp_path, "a.png", "b.png", "c.png")
    after = folder_of(tmp_path, "d.png")

    for seed in seeds:
        body = (await after.of(seed, png=False)).body
        assert body in ((await before.of(seed, png=False)).body, b"d.png")


async def test_links_out_of_the_folder_empty_and_too_large_files_and_folders_are_left_out(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out.png"
    inside.mkdir()
    outside.write_bytes(b"secret")
    (inside / "link.png").symlink_to(outside)
    (inside / "circle.png").symlink_to(inside / "circle.png")
    (inside / "nothing.png").symlink_to(inside / "gone")
    (inside / "folder.png").mkdir()
    (inside / "empty.png").touch()
    with (inside / "large.png").open("wb") as large:
        large.truncate(picture_sources.LARGEST + 1)
    pictures = folder_of(inside, "cat.png")
    (inside / "alias.png").symlink_to(inside / "cat.png")

    bodies = {(await pictures.of(f"A{number}", png=False)).body for number in range(60)}

    assert bodies == {b"cat.png"}


async def test_a_file_that_becomes_a_link_out_of_the_folder_is_not_served(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out.png"
    inside.mkdir()
    outside.write_bytes(b"secret")
    pictures = folder_of(inside, "cat.png")

    (inside / "cat.png").unlink()
    (inside / "cat.png").symlink_to(outside)

    assert await gives_the_drawn_kitten(pictures)


async def test_a_file_that_vanishes_leaves_the_drawn_kitten(tmp_path: Path) -> None:
    pictures = folder_of(tmp_path, "cat.png")

    (tmp_path / "cat.png").unlink()

    assert await gives_the_drawn_kitten(pictures)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no cat")

    with pytest.raises(Misuse, match=r"DUESTREAM_PICTURES: .* has no picture"):
        folder_of(tmp_path)


@pytest.mark.parametrize("name", ["missing", "file.txt", "circle", "nul\0"])
def test_what_is_no_readable_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").write_text("no folder")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")

    with pytest.raises(Misuse, match=r"DUESTREAM_PICTURES: .* cannot be read as a folder"):
        Pictures(Settings(pictures=f"{tmp_path}/{name}"))


async def test_an_api_is_asked_with_a_digest_of_the_seed() -> None:
    api = Api(lambda _: image(type="IMAGE/JPEG; q=1"))

    picture = await api.pictures.of("A00 its secret", png=True)

    assert (picture.body, picture.media_type, picture.name[-4:]) == (b"cat", "image/jpeg", ".jpg")
    [asked] = api.asked
    assert len(asked.url.params["of"]) == 16
    assert "secret" not in str(asked.url)


async def test_two_asks_for_one_seed_are_one_request() -> None:
    api = Api(lambda _: image())

    one, other = await asyncio.gather(api.pictures.of("A00", png=False), api.pictures.of("A00", png=False))
    later = await api.pictures.of("A00", png=True)

    assert one == other == later
    assert len(api.asked) == 1


async def test_one_who_goes_away_does_not_take_the_picture_from_the_others() -> None:
    answer = asyncio.Event()

    async def slow(_: httpx.Request) -> httpx.Response:
        await answer.wait()
        return image()

    api = Api(slow)
    first = asyncio.create_task(api.pictures.of("A00", png=False))
    second = asyncio.create_task(api.pictures.of("A00", png=False))
    async with asyncio.timeout(10):
        while not api.asked:
            await asyncio.sleep(0)

    first.cancel()
    answer.set()

    assert (await second).body == b"cat"
    assert len(api.asked) == 1


async def test_only_the_pictures_asked_for_last_are_remembered() -> None:
    api = Api(lambda _: image())
    for number in range(REMEMBERED + 1):
        await api.pictures.of(f"A{number}", png=False)
    asked = len(api.asked)

    await api.pictures.of(f"A{REMEMBERED}", png=False)
    assert len(api.asked) == asked
    await api.pictures.of("A0", png=False)
    assert len(api.asked) == asked + 1


async def test_large_pictures_are_remembered_up_to_a_total_size() -> None:
    api = Api(lambda _: image(b"x" * picture_sources.LARGEST))
    for number in range(8):
        await api.pictures.of(f"A{number}", png=False)

    await api.pictures.of("A7", png=False)
    assert len(api.asked) == 8
    await api.pictures.of("A0", png=False)
    assert len(api.asked) == 9


def _refusing(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: image(type="text/html"), "no image"),
        (lambda _: image(type="image/"), "no image"),
        (lambda _: image(type="image/x!"), "no image"),
        (lambda _: httpx.Response(200, content=b"cat"), "no image"),
        (lambda _: httpx.Response(404, headers={"content-type": "image/png"}, content=b"cat"), "status 404"),
        (lambda _: image(b""), "empty"),
        (lambda _: image(b"x" * (picture_sources.LARGEST + 1)), "too large"),
        (lambda _: image(content_encoding="gzip"), "compressed"),
        (lambda _: httpx.Response(302, headers={"location": "http://pictures.example/"}), "redirect to http"),
        (lambda _: httpx.Response(302, headers={"location": "file:///etc/passwd"}), "redirect to file"),
        (lambda _: httpx.Response(302, headers={"location": "/again"}), "more than 5 redirects"),
        (lambda _: httpx.Response(302, headers={"location": "https://x:port/"}), "no image"),
        (_refusing, "ConnectError"),
    ],
)
async def test_an_api_that_has_no_picture_leaves_the_drawn_kitten(
    answer: Answer, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    api = Api(answer)

    assert await gives_the_drawn_kitten(api.pictures)

    [logged] = [record for record in caplog.records if record.name == "duestream.pictures"]
    assert logged.levelno == logging.WARNING
    assert reason in vars(logged)["reason"]


async def test_an_api_that_takes_too_long_leaves_the_drawn_kitten_also_as_png() -> None:
    async def never(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        return image()

    api = Api(never, picture_timeout="0.05s")

    assert await gives_the_drawn_kitten(api.pictures)
    assert (await api.pictures.of("A00", png=True)).body.startswith(PNG)
    assert len(api.asked) == 1  # a kitten that was shown stays


async def test_a_body_that_trickles_is_given_up_too() -> None:
    async def trickle() -> Any:
        while True:
            await asyncio.sleep(0)
            yield b""

    api = Api(
        lambda _: httpx.Response(200, headers={"content-type": "image/png"}, content=trickle()), picture_timeout="0.05s"
    )

    assert await gives_the_drawn_kitten(api.pictures)


async def test_redirects_are_followed_within_the_web_and_to_https() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/cat":
            return httpx.Response(302, headers={"location": "/other"})
        if request.url.path == "/other":
            return httpx.Response(307, headers={"location": "https://images.example/1"})
        return image(b"found")

    api = Api(answer, pictures="http://pictures.example/cat")

    assert (await api.pictures.of("A00", png=False)).body == b"found"
    assert [str(asked.url) for asked in api.asked][1:] == ["http://pictures.example/other", "https://images.example/1"]


async def test_a_picture_comes_over_a_real_connection() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = "HTTP/1.1 200 OK\r\ncontent-type: image/webp\r\ncontent-length: 3\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + b"cat")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        pictures = Pictures(Settings(pictures=f"http://127.0.0.1:{port}/"))

        picture = await pictures.of("A00", png=False)

    assert (picture.body, picture.media_type, picture.name[-5:]) == (b"cat", "image/webp", ".webp")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PICTURES", "ftp://pictures.example/"),
        ("PICTURES", "https://"),
        ("PICTURES", "http://[x"),
        ("PICTURE_TIMEOUT", "soon"),
        ("PICTURE_TIMEOUT", "0s"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(Misuse, match=f"DUESTREAM_{name}: expected"):
        load(file=None, env={f"DUESTREAM_{name}": value}, flags={})
