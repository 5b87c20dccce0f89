"""Container jobs run by real runner processes on a real engine, which may be killed or go away."""

import asyncio
import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from duestream import jobs
from duestream.containers import ContainerSpec
from duestream.job_models import Job
from duestream.jobs import JobSpec
from tests import images
from tests.core import JobCore, job_core_on
from tests.faults.outcome import verified
from tests.faults.processes import House
from tests.running import until

SOCKET = "/var/run/docker.sock"
SETTINGS = {"job_lease": "1s", "container_grace": "1s", "concurrency": "0", "containers": "4"}
pytestmark = pytest.mark.usefixtures("busybox")


@pytest.fixture(scope="module")
def busybox() -> str:
    return images.busybox()


def docker(*arguments: str) -> str:
    command = ["docker", "--host", f"unix://{SOCKET}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def containers_of(id: str) -> list[str]:
    return docker("ps", "-aq", "--no-trunc", "--filter", f"label=duestream.job={id}").split()


class Work(JobCore):
    """Container jobs that a runner, a projector and a scheduler work on."""

    ran: list[str]

    async def begin(self, script: str, *, image: str = images.BUSYBOX, memory: int = 0, **options: Any) -> str:
        container = ContainerSpec(image=image, command=["sh", "-c", script], memory=memory, pull="never")
        id = await self.submit(JobSpec(container=container, **options))
        self.ran.append(id)
        return id

    async def read(self, id: str) -> Job:
        job = await self.jobs.get(id)
        assert job is not None
        return job

    async def ended(self, id: str) -> Job:
        async def over() -> bool:
            return (await self.read(id)).over

        await until(over, "the job is over", 40)
        return await self.read(id)

    async def log(self, id: str) -> str:
        entries = await self.server.call("XRANGE", self.home(id).log(id), "-", "+")
        return "".join(fields[7] for _, fields in entries)

    async def says(self, id: str, text: str) -> None:
        async def said() -> bool:
            return text in await self.log(id)

        await until(said, f"the log has {text!r}", 30)

    async def removed(self, id: str) -> None:
        async def gone() -> bool:
            return not await asyncio.to_thread(containers_of, id)

        await until(gone, "the container is removed", 30)


@contextlib.asynccontextmanager
async def working_on(house: House) -> AsyncIterator[Work]:
    async with job_core_on(house.store) as core:
        work = Work(core.server, house.store.shards)
        work.ran = []
        try:
            yield work
        finally:
            for id in work.ran:
                for container in containers_of(id):
                    docker("rm", "-f", container)


async def test_containers_end_in_every_way_and_are_removed(house: House) -> None:
    await house.start("projector", "scheduler", "runner", **SETTINGS)
    async with working_on(house) as work:
        good = await work.begin("echo out; echo err >&2")
        bad = await work.begin("echo no; exit 3", retries=1, backoff=0.01)
        # engines miss such a death where it comes just as a container starts, or ends it at once
        hungry = "sleep 1; head -c 60000000 /dev/zero | tail; code=$?; sleep 1; exit $code"
        greedy = await work.begin(hungry, memory=16 * 1024 * 1024)
        slow = await work.begin("echo begun; trap 'echo ended; exit 9' TERM; sleep 60 & wait", timeout=2)
        unknown = await work.begin("true", image="no-such-image-anywhere:1")
        canceled = await work.begin("trap 'echo told; exit 7' TERM; echo begun; sleep 60 & wait")
        await work.says(canceled, "begun")
        await work.do(canceled, jobs.JobCanceling(), queue="default:containers")
        assert (await work.headed(canceled))[1] in ("canceling", "canceled")

        job = await work.ended(good)
        assert (job.status, job.attempts[0].exit_code) == ("succeeded", 0)
        assert sorted((await work.log(good)).split()) == ["err", "out"]
        assert job.attempts[0].limits["memory"] == 256 * 1024 * 1024
        assert job.attempts[0].image_digest.startswith("sha256:")
        job = await work.ended(bad)
        assert (job.status, job.state.error) == ("failed", "exit code 3")
        assert [(each.outcome, each.exit_code) for each in job.attempts] == [("failed", 3), ("failed", 3)]
        assert await work.log(bad) == "no\nno\n"
        job = await work.ended(greedy)
        assert (job.status, job.attempts[0].oom_killed) == ("failed", True)
        job = await work.ended(slow)
        assert (job.status, job.state.error) == ("failed", "timed out after 2 s")
        assert await work.log(slow) == "begun\nended\n"
        job = await work.ended(unknown)
        assert (job.status, len(job.attempts)) == ("failed", 1)
        assert "no-such-image-anywhere" in job.state.error
        job = await work.ended(canceled)
        assert (job.status, job.attempts[0].outcome, job.attempts[0].exit_code) == ("canceled", "canceled", 7)
        assert await work.log(canceled) == "begun\ntold\n"
        for id in work.ran:
            await work.removed(id)
        assert (await verified(house.store)).differences == []


async def test_a_container_whose_runner_is_killed_goes_on_under_the_next_one(house: House) -> None:
    _, first, second = await house.start("projector", "runner", "runner", **SETTINGS)
    script = "for n in 1 2 3 4 5 6 7 8 9; do echo $n; sleep 0.5; done; exit 4"
    async with working_on(house) as work:
        id = await work.begin(script)
        await work.says(id, "2")
        [container] = containers_of(id)
        [by] = [entry.by for entry in await work.entries() if entry.type == "job.started"]
        victim = first if f":{first.pid}:" in by else second

        victim.kill()
        job = await work.ended(id)

        assert [(each.outcome, each.exit_code) for each in job.attempts] == [("lost", None), ("failed", 4)]
        assert await work.log(id) == "".join(f"{n}\n" for n in range(1, 10))
        assert containers_of(id) in ([container], [])
        await work.removed(id)


async def test_a_container_whose_runner_is_stopped_is_handed_over_at_once(house: House) -> None:
    _, first = await house.start("projector", "runner", **{**SETTINGS, "job_lease": "60s"})
    async with working_on(house) as work:
        id = await work.begin("echo one; sleep 3; echo two")
        await work.says(id, "one")
        [container] = containers_of(id)

        assert await first.leave() == 0
        assert containers_of(id) == [container]
        await house.start("runner", **{**SETTINGS, "job_lease": "60s"})
        job = await work.ended(id)

        assert [each.outcome for each in job.attempts] == ["lost", "succeeded"]
        assert await work.log(id) == "one\ntwo\n"
        await work.removed(id)


async def test_two_runners_on_one_engine_leave_each_others_containers_alone(house: House) -> None:
    await house.start("projector", "runner", "runner", **{**SETTINGS, "containers": "2"})
    async with working_on(house) as work:
        ids = [await work.begin(f"echo {n}; sleep 0.3") for n in range(8)]
        done = [await work.ended(id) for id in ids]

        assert [(job.status, len(job.attempts)) for job in done] == 8 * [("succeeded", 1)]
        assert [await work.log(id) for id in ids] == [f"{n}\n" for n in range(8)]
        for id in ids:
            await work.removed(id)


class Line:
    """A way to the engine that can be cut and mended."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "docker.sock"
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    async def mend(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        self.path.unlink(missing_ok=True)
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_unix_connection(SOCKET)
        self._open |= {writer, here}
        try:
            await asyncio.gather(_pass_on(reader, here), _pass_on(there, writer))
        finally:
            self._open -= {writer, here}
            for each in (writer, here):
                each.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def test_while_the_engine_is_away_jobs_wait_and_they_run_when_it_is_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="duestream-test-"))  # a socket's path must be short
    line = Line(folder)
    monkeypatch.setenv("DOCKER_HOST", line.url)
    await line.mend()
    await house.start("projector", "runner", **SETTINGS)
    async with working_on(house) as work:
        running = await work.begin("echo one; sleep 2; echo two")
        await work.says(running, "one")

        await line.cut()
        waiting = [await work.begin(f"echo {n}") for n in range(3)]

        async def told() -> bool:
            return bool(await work.server.call("HLEN", "ds:{0}:engines"))

        await until(told, "the runner has noticed")
        assert {(await work.headed(id))[1] for id in waiting} == {"queued"}
        await line.mend()

        for id in (running, *waiting):
            job = await work.ended(id)
            assert (job.status, len(job.attempts)) == ("succeeded", 1)
        assert await work.log(running) == "one\ntwo\n"
        assert [await work.log(id) for id in waiting] == ["0\n", "1\n", "2\n"]
        assert not await work.server.call("HLEN", "ds:{0}:engines")
        for id in work.ran:
            await work.removed(id)
    await line.cut()
    shutil.rmtree(folder)
