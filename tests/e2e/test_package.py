"""What is published: a source archive and a wheel that hold everything, and run away from the checkout."""

import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.stores import eventually, free_port

CHECKOUT = Path(__file__).parents[2]
PACKAGES = ("duestream", "api", "projector", "scheduler", "runner")
DEADLINE = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("package")


@pytest.fixture(scope="module")
def sdist(folder: Path) -> Path:
    """The source archive of this checkout, unpacked."""
    _run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder / "dist"), cwd=CHECKOUT)
    [archive] = (folder / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "source", filter="data")
    [unpacked] = (folder / "source").iterdir()
    return unpacked


@pytest.fixture(scope="module")
def wheel(folder: Path, sdist: Path) -> Path:
    """The wheel, built from nothing but the source archive."""
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist"), cwd=sdist)
    [wheel] = (folder / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(folder: Path, wheel: Path) -> Path:
    """The `duestream` command of a fresh environment with the wheel, which borrows only what the wheel depends on."""
    venv = folder / "venv"
    _run(sys.executable, "-m", "venv", "--without-pip", str(venv), cwd=folder)
    python = venv / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    _run(*pip, str(wheel), cwd=folder)
    [packages] = venv.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return venv / "bin" / "duestream"


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    assert _files() <= names
    assert "duestream/py.typed" in names
    assert "duestream/lua/append.lua" in names
    assert "api/static/docs/swagger-ui-bundle.js" in names
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == set(PACKAGES)


def test_the_source_archive_holds_what_is_needed_to_build_run_and_test(sdist: Path) -> None:
    names = {str(path.relative_to(sdist)) for path in sdist.rglob("*") if path.is_file()}

    assert _files() <= names
    assert {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "Dockerfile", "docker-compose.yml"} <= names
    assert {"tests/conftest.py", "tests/e2e/test_package.py", ".ci/run"} <= names


def test_the_wheel_carries_the_licence_of_its_own_and_of_what_it_brings(wheel: Path) -> None:
    licences = {name.partition("/licenses/")[2] for name in zipfile.ZipFile(wheel).namelist() if "/licenses/" in name}

    assert licences == {"LICENSE", "api/static/docs/LICENSE"}


def test_an_installed_wheel_runs_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    with _up(installed, tmp_path) as http:
        created = http.post("/v1/tasks", json={"title": "from a wheel"})
        assert created.status_code == 201, created.text
        assert http.get(created.headers["location"]).json()["title"] == "from a wheel"

        page = http.get("/docs")
        assert page.status_code == 200
        for name in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js"):
            assert f"docs/assets/{name}" in page.text
            assert http.get(f"/docs/assets/{name}").content == (CHECKOUT / "api/static/docs" / name).read_bytes()


def test_an_installed_wheel_imports_itself_and_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    script = (
        "import duestream, api, projector, scheduler, runner; print(duestream.__file__, api.__file__, runner.__file__)"
    )

    files = _run(str(installed.parent / "python"), "-c", script, cwd=tmp_path).split()

    assert all(file.startswith(str(installed.parents[1])) for file in files)


def _files() -> set[str]:
    """Every file of the packages in this checkout that was not derived by Python."""
    found = {
        str(path.relative_to(CHECKOUT))
        for package in PACKAGES
        for path in (CHECKOUT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert len(found) > 50
    return found


@contextlib.contextmanager
def _up(command: Path, folder: Path) -> Iterator[httpx.Client]:
    """`duestream up` in an empty folder, and a client of it. It ends by Ctrl-C, with status 0."""
    port = free_port()
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(command), "up", "--port", str(port)], cwd=folder, env=_environment(), stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE, trust_env=False) as http:
            eventually(lambda: process.poll() is not None or _ready(http), "it is ready", DEADLINE)
            assert process.poll() is None, log.read_text()
            yield http
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(DEADLINE)


def _ready(http: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        answer = http.get("/readyz")
        return answer.status_code == 200 and len(answer.json()["processes"]) == 4
    return False


def _run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, env=_environment(), capture_output=True, text=True, timeout=DEADLINE * 2)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _environment() -> dict[str, str]:
    """This environment without what would lead back to the checkout, or to another server."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DUESTREAM_") and name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }
