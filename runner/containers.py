"""A job's container, as the engine has it. These calls block; the engine's threads make them.

The labels say whose a container is, and the name makes two runners that create the same run's container at the same
time meet: the second is told that the name is taken, and adopts what the first made. So a job has one container, for
one run, whatever happens to its runners.
"""

import hashlib
import re
import time
from typing import Any

import msgspec
from docker.errors import APIError, NotFound
from docker.types import LogConfig

from duestream.containers import ContainerSpec
from runner.client import Client, EngineAway, words

JOB, RUN, ATTEMPT = "duestream.job", "duestream.run", "duestream.attempt"
MEMORY = 256 * 1024 * 1024  # bytes
CPUS = 1.0
PIDS = 256
LOG_LIMITS = {"max-size": "10m", "max-file": "2"}  # two, so that one who reads slowly misses nothing
INSPECT = 10  # seconds
MEETING = 10.0  # seconds in which a container whose name is taken must show itself
NEVER = "0001-01-01T00:00:00Z"


class NotRun(Exception):
    """The container does not come to run, for this reason; nobody is to try again for the same run."""

    def __init__(self, reason: str, *, canceled: bool = False) -> None:
        super().__init__(reason)
        self.canceled = canceled


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine knows of a container."""

    id: str
    status: str  # created | running | paused | restarting | removing | exited | dead
    running: bool
    exit_code: int
    oom_killed: bool
    error: str
    started: str  # RFC 3339; "" where it was not
    finished: str
    image: str  # its id
    limits: dict[str, float]

    @property
    def begun(self) -> bool:
        return self.running or bool(self.started)


def name_of(job: str, run: str) -> str:
    """The same for the same run of a job, another one for any other."""
    name = f"duestream-{job}-{run}"
    if re.fullmatch(r"[A-Za-z0-9_-]{1,120}", name):
        return name
    return f"{re.sub(r'[^A-Za-z0-9_-]', '-', name)[:100]}-{hashlib.sha256(f'{job}/{run}'.encode()).hexdigest()[:12]}"


def adopt(client: Client, job: str, run: str) -> State | None:
    """The container of this run, if there is one. Those of the job's other runs are removed."""
    found = None
    for id, whose in _ours(client, f"{JOB}={job}"):
        if whose[RUN] == run:
            found = inspect(client, id) or found
        else:
            _remove(client, id)
    return None if found is None or found.status in ("removing", "dead") else found


def obtain(client: Client, job: str, run: str, attempt: int, *, spec: ContainerSpec, image: str) -> State:
    """Create the container of this run, or adopt the one that another runner has just created. Raises NotRun."""
    until = time.monotonic() + MEETING
    while True:
        try:
            id = _create(client, {JOB: job, RUN: run, ATTEMPT: str(attempt)}, spec, image)
        except APIError as error:
            if error.status_code != 409:
                raise NotRun(f"the container cannot be created: {words(error)}") from None
            state = adopt(client, job, run)
        else:
            state = inspect(client, id)
        if state is not None:
            return state
        if time.monotonic() > until:
            raise EngineAway("the container's name is taken, by none that can be adopted")
        time.sleep(0.05)


def _create(client: Client, labels: dict[str, str], spec: ContainerSpec, image: str) -> str:
    memory = spec.memory or MEMORY
    host = client.create_host_config(
        mem_limit=memory,
        memswap_limit=memory,  # as much with swap as without: too much is killed, not swapped
        nano_cpus=round((spec.cpus or CPUS) * 1e9),
        pids_limit=PIDS,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        privileged=False,
        network_mode=spec.network or "none",
        restart_policy={"Name": "no"},
        auto_remove=False,
        log_config=LogConfig(type="json-file", config=LOG_LIMITS),
    )
    made = client.create_container(
        image,
        spec.command,
        name=name_of(labels[JOB], labels[RUN]),
        labels=labels,
        environment=spec.env,
        working_dir=spec.workdir or None,
        user=spec.user or None,
        host_config=host,
        use_config_proxy=False,  # a proxy's address may hold a password
    )
    return str(made["Id"])


def start(client: Client, id: str) -> State:
    """Start it, if nobody did. Raises NotRun."""
    try:
        client.start(id)
    except NotFound:
        raise NotRun("the container is gone") from None
    except APIError as error:
        raise NotRun(f"the container cannot be started: {words(error)}") from None
    state = inspect(client, id)
    if state is None:
        raise NotRun("the container is gone")
    return state


def inspect(client: Client, id: str) -> State | None:
    """What is known of it; None: it is gone."""
    with client.within(INSPECT):
        try:
            told: dict[str, Any] = client.inspect_container(id)
        except NotFound:
            return None
    state, host = told["State"], told["HostConfig"]
    return State(
        id=told["Id"],
        status=state["Status"],
        running=state["Running"],
        exit_code=state["ExitCode"],
        oom_killed=state["OOMKilled"],
        error=state["Error"],
        started=_instant(state["StartedAt"]),
        finished=_instant(state["FinishedAt"]),
        image=told["Image"],
        limits={
            "memory": host["Memory"],
            "cpus": host["NanoCpus"] / 1e9,
            "pids": host["PidsLimit"] or 0,
        },
    )


def signal(client: Client, id: str, name: str) -> bool:
    """Send it a signal. False: it does not run."""
    with client.within(INSPECT):
        try:
            client.kill(id, name)
        except APIError as error:
            if error.status_code not in (404, 409):
                raise
            return False
    return True


def clock(client: Client) -> str:
    """The engine's time, RFC 3339."""
    with client.within(INSPECT):
        return str(client.info()["SystemTime"])


def answers(client: Client, seconds: int) -> None:
    """Raises what the SDK raises where the engine does not answer in time."""
    with client.within(seconds):
        client.ping()


def leftovers(client: Client) -> list[tuple[str, str]]:
    """The jobs and runs of all our containers."""
    return [(labels[JOB], labels[RUN]) for _, labels in _ours(client, JOB)]


def remove(client: Client, job: str, run: str = "") -> None:
    """Remove all containers of a job, or those of one run, also running ones."""
    for id, whose in _ours(client, f"{JOB}={job}"):
        if run in ("", whose[RUN]):
            _remove(client, id)


def _ours(client: Client, label: str) -> list[tuple[str, dict[str, str]]]:
    listed: list[dict[str, Any]] = client.containers(all=True, filters={"label": [label, RUN]})
    return [(str(each["Id"]), each["Labels"]) for each in listed]


def _remove(client: Client, id: str) -> None:
    try:
        client.remove_container(id, v=True, force=True)
    except APIError as error:
        if error.status_code not in (404, 409):  # gone, or on its way
            raise


def _instant(text: str) -> str:
    return "" if text == NEVER else text
