"""The `duestream` command."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from duestream import __version__, health, lifecycle, tail, up
from duestream.addresses import canonical
from duestream.applying import PROJECTED
from duestream.embedded import socket_of, url_of
from duestream.errors import Misuse
from duestream.events import Origin
from duestream.keys import Keys
from duestream.lifecycle import unless_stopped
from duestream.options import (
    AWAY,
    Config,
    Debug,
    Host,
    Main,
    NoAuth,
    Port,
    RedisUrl,
    Release,
    fail,
    settings_from,
    start,
)
from duestream.rebuilding import rebuild
from duestream.resend import resend
from duestream.server import Server, agree_on_shards, connect
from duestream.settings import Settings
from duestream.turn_verifying import verify_lines
from duestream.turns import Desk
from duestream.verifying import Report, Verification

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Tasks, turns and jobs that fall due, on one Redis journal.",
)

PATIENCE = 4.0  # seconds in which a server must answer to a command that a person waits for

DataDir = Annotated[str | None, typer.Option(help="Where the embedded server keeps its data.", show_default=False)]
Role = Annotated[str | None, typer.Option(help="api, projector, scheduler or runner; any, if not given.")]
Concurrency = Annotated[
    int | None, typer.Option(help="Handlers that it runs at once. [default: 1000]", show_default=False)
]
Containers = Annotated[
    int | None, typer.Option(help="Containers that it runs at once. [default: 10]", show_default=False)
]
Queues = Annotated[
    str | None, typer.Option(help="Which it serves, separated by commas. [default: default]", show_default=False)
]
Address = Annotated[str, typer.Argument(help="The address as `GET /v1/bans` shows it.")]
Since = Annotated[str, typer.Option(help="Begin after this entry id; 0 is the first, $ is from now on.")]


@app.command("up")
def up_command(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    config: Config = None,
    redis_url: RedisUrl = None,
    debug: Debug = None,
    release: Release = None,
    insecure_no_auth: NoAuth = None,
) -> None:
    """Run everything on this machine, with an embedded Valkey unless DUESTREAM_REDIS_URL is set."""
    settings = settings_from(
        config, host=host, port=port, data_dir=data_dir, redis_url=redis_url, debug=debug, release=release,
        insecure_no_auth=insecure_no_auth,
    )  # fmt: skip
    start(settings, up.run, away=AWAY)


def _process_command(name: str, text: str) -> None:
    def command(
        host: Host = None,
        port: Port = None,
        config: Config = None,
        redis_url: RedisUrl = None,
        debug: Debug = None,
        release: Release = None,
        insecure_no_auth: NoAuth = None,
    ) -> None:
        settings = settings_from(
            config, host=host, port=port, redis_url=redis_url, debug=debug, release=release,
            insecure_no_auth=insecure_no_auth,
        )  # fmt: skip
        start(settings, importlib.import_module(f"{name}.main").run, away=AWAY)

    app.command(name, help=text)(command)


_process_command("api", "Run an API process.")
_process_command("projector", "Run a projector process.")
_process_command("scheduler", "Run a scheduler process.")


@app.command("runner")
def runner_command(
    concurrency: Concurrency = None,
    containers: Containers = None,
    queues: Queues = None,
    config: Config = None,
    redis_url: RedisUrl = None,
    debug: Debug = None,
    release: Release = None,
) -> None:
    """Run a runner process: what has jobs done."""
    settings = settings_from(
        config, concurrency=concurrency, containers=containers, queues=queues, redis_url=redis_url, debug=debug,
        release=release,
    )  # fmt: skip
    start(settings, importlib.import_module("runner.main").run, away=AWAY)


@app.command("tail")
def tail_command(
    since: Since = "$",
    config: Config = None,
    redis_url: RedisUrl = None,
    data_dir: DataDir = None,
    debug: Debug = None,
    release: Release = None,
) -> None:
    """Follow the events in the terminal."""
    settings = _local(settings_from(config, redis_url=redis_url, data_dir=data_dir, debug=debug, release=release))
    start(settings, lambda each, stop: tail.run(each, stop, since=since, console=Console(soft_wrap=True)))


@app.command("verify")
def verify_command(
    config: Config = None, redis_url: RedisUrl = None, data_dir: DataDir = None, debug: Debug = None
) -> None:
    """Fold the journal and compare it with the read models. Status 1 if they differ."""
    settings = _local(settings_from(config, redis_url=redis_url, data_dir=data_dir, debug=debug))
    report = Report()

    async def verify(each: Settings, _: asyncio.Event) -> None:
        async with _reached(each) as server:
            for keys in map(Keys, range(each.shards)):
                for projected in PROJECTED:
                    await Verification(server, keys, projected).run(report)
            await verify_lines(server, report)

    _work("folding the journal", settings, verify)
    for each in report.differences:
        typer.echo(f"{each.kind} {each.id} (shard {each.shard}): {each.what}")
    dead = f", {report.dead:,} entries cannot be understood" if report.dead else ""
    typer.echo(
        f"{report.entries:,} entries, {report.entities:,} entities: "
        f"{f'{len(report.differences):,} differ' if report.differences else 'the read models equal the journal'}{dead}"
    )
    raise typer.Exit(1 if report.differences else 0)


@app.command("rebuild")
def rebuild_command(
    config: Config = None, redis_url: RedisUrl = None, data_dir: DataDir = None, debug: Debug = None
) -> None:
    """Bring the read models up from the journal, while everything runs."""
    settings = _local(settings_from(config, redis_url=redis_url, data_dir=data_dir, debug=debug))
    written = 0

    async def run(each: Settings, _: asyncio.Event) -> None:
        nonlocal written
        async with _reached(each) as server:
            for keys in map(Keys, range(each.shards)):
                for projected in PROJECTED:
                    written += await rebuild(server, keys, projected)

    _work("rebuilding", settings, run)
    typer.echo(f"{written:,} read models written")


@app.command("resend")
def resend_command(config: Config = None, redis_url: RedisUrl = None, data_dir: DataDir = None) -> None:
    """Send the webhooks again that were given up."""
    settings = _local(settings_from(config, redis_url=redis_url, data_dir=data_dir))
    sent = 0

    async def run(each: Settings, _: asyncio.Event) -> None:
        nonlocal sent
        async with _reached(each) as server:
            for keys in map(Keys, range(each.shards)):
                while taken := await resend(server, keys):
                    sent += taken

    _work("sending again", settings, run)
    typer.echo(f"{sent:,} deliveries are due again")


@app.command("unban")
def unban_command(
    address: Address, config: Config = None, redis_url: RedisUrl = None, data_dir: DataDir = None
) -> None:
    """Let a banned address into the queues again. Status 1 if it is not banned."""
    settings = _local(settings_from(config, redis_url=redis_url, data_dir=data_dir))
    was_banned = False
    try:
        known = canonical(address)
    except ValueError:
        known = address

    async def run(each: Settings, _: asyncio.Event) -> None:
        nonlocal was_banned
        async with _reached(each) as server:
            desk = Desk(server, process=lifecycle.process_name("cli"))
            origin = Origin(at="", by="cli", cause="unban")
            was_banned = await desk.unban(known, origin)

    start(settings, run)
    typer.echo(f"{address} is let in again" if was_banned else f"{address} is not banned")
    raise typer.Exit(0 if was_banned else 1)


@app.command("health")
def health_command(
    role: Role = None, config: Config = None, redis_url: RedisUrl = None, data_dir: DataDir = None
) -> None:
    """Say which processes of this host have shown a sign of life lately. Status 1 if none has."""
    settings = _local(settings_from(config, redis_url=redis_url, data_dir=data_dir))
    names: list[str] = []

    async def run(each: Settings, _: asyncio.Event) -> None:
        names.extend(await health.alive(each, role))

    start(settings, run, away=1)
    typer.echo("\n".join(names) or f"no {role or 'process'} of this host has shown a sign of life lately")
    raise typer.Exit(0 if names else 1)


@app.command("version")
def version_command() -> None:
    """Print the version."""
    typer.echo(__version__)


@asynccontextmanager
async def _reached(settings: Settings) -> AsyncIterator[Server]:
    async with connect(settings.url, patience=PATIENCE) as server:
        await agree_on_shards(server, settings.shards)
        yield server


def _work(what: str, settings: Settings, work: Main) -> None:
    """Do something that ends by itself; Ctrl-C ends it at once."""

    async def unless_interrupted(each: Settings, stop: asyncio.Event) -> None:
        if not await unless_stopped(work(each, stop), stop):
            raise Misuse(f"{what} was interrupted")

    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), transient=True, console=Console(stderr=True)
    ) as bar:
        bar.add_task(what, total=None)
        start(settings, unless_interrupted)


def _local(settings: Settings) -> Settings:
    """Settings that point to the server that `duestream up` runs on the data directory, if none is named."""
    try:
        socket = socket_of(Path(settings.data_dir).resolve())
    except Misuse as error:
        fail(error)
    if settings.redis_url or not socket.exists():
        return settings
    return msgspec.structs.replace(settings, redis_url=url_of(socket))


def main() -> None:
    """The console script."""
    app()
