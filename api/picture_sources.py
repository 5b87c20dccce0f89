"""Pictures from elsewhere: a folder's image files, and image APIs.

Nothing of a seed leaves the process: an API is told a digest of it, and only where its URL asks for one.
"""

import asyncio
import mimetypes
import os
import re
import ssl
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Protocol

import httpx
import msgspec

from duestream.errors import DuestreamError, Misuse

LARGEST = 10 * 1024 * 1024  # bytes
REDIRECTS = 5
FILES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".svg": "image/svg+xml",
}
_IMAGE = re.compile(r"image/[a-z0-9][a-z0-9.+-]*")


class Picture(msgspec.Struct, frozen=True):
    """name: of the file that a visitor may keep; made by us, whatever the source calls it."""

    body: bytes
    media_type: str
    name: str


class NoPicture(DuestreamError):
    """The source has no picture to give; says why."""


class Source(Protocol):
    async def picture(self, seed: str) -> Picture:
        """The picture that goes with a seed. Raises NoPicture."""


def picture(seed: str, body: bytes, media_type: str) -> Picture:
    """A seed's picture, under a name that says nothing of the seed."""
    suffixes = {known: suffix for suffix, known in reversed(FILES.items())}
    suffix = suffixes.get(media_type) or mimetypes.guess_extension(media_type) or ""
    return Picture(body, media_type, f"kitten-{_digest(seed)[:8]}{suffix}")


def _digest(*parts: str) -> str:
    return sha256("\n".join(parts).encode(errors="surrogatepass")).hexdigest()


class Folder:
    """A folder's image files; each seed has one of them, and another file in the folder changes that for few."""

    def __init__(self, folder: Path) -> None:
        try:
            self._folder = folder.resolve(strict=True)
            self._names = sorted(file.name for file in self._folder.iterdir() if self._fits(file))
        except (OSError, RuntimeError, ValueError) as error:  # links in a circle; a name that no file can have
            raise Misuse(f"DUESTREAM_PICTURES: {folder} cannot be read as a folder: {error}") from None
        if not self._names:
            raise Misuse(
                f"DUESTREAM_PICTURES: {folder} has no picture that can be read: "
                f"expected {', '.join(FILES)} of at most {LARGEST // 1024 // 1024} MiB"
            )

    async def picture(self, seed: str) -> Picture:
        name = max(self._names, key=lambda name: _digest(seed, name))
        body = await asyncio.to_thread(self._read, self._folder / name)
        return picture(seed, body, FILES[Path(name).suffix.lower()])

    def _fits(self, file: Path) -> bool:
        """Whether it is an image file in this very folder, not elsewhere by a link, that may be read."""
        if file.suffix.lower() not in FILES:
            return False
        try:
            self._open(file).close()
        except NoPicture:
            return False
        return True

    def _read(self, file: Path) -> bytes:
        with self._open(file) as opened:
            try:
                return opened.read(LARGEST)
            except OSError as error:
                raise NoPicture(f"{file.name} cannot be read: {error}") from None

    def _open(self, file: Path) -> BinaryIO:
        try:
            real = file.resolve(strict=True)
            if not real.is_relative_to(self._folder) or not real.is_file():
                raise NoPicture(f"{file.name} is no file of the folder")
            opened = real.open("rb")
        except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
            raise NoPicture(f"{file.name} cannot be read: {error}") from None
        if not 0 < os.fstat(opened.fileno()).st_size <= LARGEST:
            opened.close()
            raise NoPicture(f"{file.name} is empty or too large")
        return opened


class ImageApi:
    """A URL that answers with an image; `{seed}` in it stands for what makes one token's picture another's."""

    def __init__(self, url: str, patience: float, transport: httpx.AsyncBaseTransport | None) -> None:
        self._url = url
        self._patience = patience
        self._transport = transport
        self._trusted = ssl.create_default_context()

    async def picture(self, seed: str) -> Picture:
        try:
            async with asyncio.timeout(self._patience), self._client() as http:
                media_type, body = await self._fetched(http, httpx.URL(self._url.replace("{seed}", _digest(seed)[:16])))
        except TimeoutError:
            raise NoPicture(f"no image within {self._patience:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoPicture(f"no image: {type(error).__name__}") from None
        return picture(seed, body, media_type)

    def _client(self) -> httpx.AsyncClient:
        headers = {"Accept": "image/*", "Accept-Encoding": "identity"}
        return httpx.AsyncClient(
            verify=self._trusted, transport=self._transport, timeout=self._patience, headers=headers
        )

    async def _fetched(self, http: httpx.AsyncClient, url: httpx.URL) -> tuple[str, bytes]:
        for _ in range(REDIRECTS + 1):
            async with http.stream("GET", url) as response:
                if not response.has_redirect_location:
                    return await _image(response)
                following = url.join(response.headers["location"])
            if following.scheme not in ("https", url.scheme):
                raise NoPicture(f"a redirect to {following.scheme}")
            url = following
        raise NoPicture(f"more than {REDIRECTS} redirects")


async def _image(response: httpx.Response) -> tuple[str, bytes]:
    """Its media type and body. Raises NoPicture."""
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.status_code != 200:
        raise NoPicture(f"status {response.status_code}")
    if not _IMAGE.fullmatch(media_type):
        raise NoPicture("the answer is no image")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise NoPicture("the answer is compressed, which was not asked for")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > LARGEST:
            raise NoPicture("the image is too large")
    if not body:
        raise NoPicture("the image is empty")
    return media_type, bytes(body)
