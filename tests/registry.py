"""A registry of images, as much of one as an engine asks for: one image with one layer, which holds busybox."""

import contextlib
import gzip
import hashlib
import http.server
import io
import json
import shutil
import tarfile
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests import requires


class Registry(http.server.ThreadingHTTPServer):
    """asked: the paths so far. open: where it is not set, layers wait for it. login: `user:password`, "" for none."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.host = f"127.0.0.1:{self.server_address[1]}"
        self.login = ""
        self.asked: list[str] = []
        self.open = threading.Event()
        self.open.set()
        layer = _layer()
        contents = gzip.compress(layer, 1)
        config = _json(
            {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [_sha(layer)]}}
        )
        kind = "application/vnd.docker.distribution.manifest.v2+json"
        self.manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": kind,
                "config": _part("application/vnd.docker.container.image.v1+json", config),
                "layers": [_part("application/vnd.docker.image.rootfs.diff.tar.gzip", contents)],
            }
        )
        self.digest = _sha(self.manifest)
        self.kind = kind
        self.layer = _sha(contents)
        self.blobs = {_sha(config): config, _sha(contents): contents}


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        registry, path = self.server, self.path
        registry.asked.append(path)
        what, _, name = path.rpartition("/")
        login = f"Basic {b64encode(registry.login.encode()).decode()}"
        if registry.login and self.headers.get("Authorization") != login:
            self._answer(401, b"", "WWW-Authenticate", 'Basic realm="test"')
        elif path == "/v2/":
            self._answer(200, b"{}", "Content-Type", "application/json")
        elif what.endswith("/manifests"):
            self._answer(200, registry.manifest, "Content-Type", registry.kind)
        elif name in registry.blobs:
            if name == registry.layer:
                registry.open.wait()
            self._answer(200, registry.blobs[name], "Content-Type", "application/octet-stream")
        else:
            self._answer(404, b"{}", "Content-Type", "application/json")

    do_HEAD = do_GET

    def _answer(self, status: int, body: bytes, name: str, value: str) -> None:
        self.send_response(status)
        self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if body is self.server.manifest:
            self.send_header("Docker-Content-Digest", self.server.digest)
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(ConnectionError):  # the engine has lost interest
                self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def registry() -> Iterator[Registry]:
    with Registry() as registry:
        thread = threading.Thread(target=registry.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield registry
        finally:
            registry.open.set()
            registry.shutdown()
            thread.join()


def _layer() -> bytes:
    binary = shutil.which("busybox")
    requires.need("docker", found=binary is not None, why="there is no busybox on this machine")
    assert binary is not None
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        info = tarfile.TarInfo("bin/busybox")
        info.mode, info.size = 0o755, Path(binary).stat().st_size
        with Path(binary).open("rb") as contents:
            tar.addfile(info, contents)
    return made.getvalue()


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _sha(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _part(kind: str, data: bytes) -> dict[str, object]:
    return {"mediaType": kind, "size": len(data), "digest": _sha(data)}
