"""The command-line options that the processes share, and how one of them starts."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from duestream import lifecycle, logs
from duestream.errors import DuestreamError, Misuse
from duestream.settings import Settings, load

REFUSED = 2  # exit status: what was asked for cannot be done, and trying again does not help
AWAY = 75  # exit status of a process that may be started again: Redis was away

Main = Callable[[Settings, asyncio.Event], Awaitable[None]]

Host = Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]", show_default=False)]
Port = Annotated[int | None, typer.Option(help="Port to listen on. [default: 8888]", show_default=False)]
Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="TOML file with settings.", envvar="DUESTREAM_CONFIG")
]
RedisUrl = Annotated[str | None, typer.Option(help="redis://, rediss:// or unix://", show_default=False)]
Debug = Annotated[bool | None, typer.Option("--debug", help="Log everything.", show_default=False)]
Release = Annotated[bool | None, typer.Option("--release", help="Log as JSON lines.", show_default=False)]
NoAuth = Annotated[
    bool | None,
    typer.Option("--insecure-no-auth", help="Serve other hosts without API keys.", show_default=False),
]


def settings_from(config: Path | None, **flags: Any) -> Settings:
    """The settings for a command, with logs configured by them; a mistake ends the program with status 2."""
    try:
        settings = load(file=config, env=os.environ, flags=flags)
    except Misuse as error:
        fail(error)
    logs.configure(debug=settings.debug, release=settings.release)
    return settings


def fail(error: Exception, status: int = REFUSED) -> NoReturn:
    """End the program with what is wrong."""
    typer.secho(f"duestream: {error}", fg="red", err=True)
    sys.exit(status)


def start(settings: Settings, main: Main, *, away: int = REFUSED) -> None:
    """Run one process until it is told to stop. `away` is the status where Redis is; a mistake's is REFUSED."""
    try:
        lifecycle.run(lambda stop: main(settings, stop))
    except (DuestreamError, BaseExceptionGroup) as error:
        reason = _reason(error)
        if reason is None:
            raise
        fail(reason, REFUSED if isinstance(reason, Misuse) else away)


def _reason(error: BaseException) -> DuestreamError | None:
    """The first of the errors of a group; None where it holds anything that Duestream does not raise."""
    if isinstance(error, DuestreamError):
        return error
    if not isinstance(error, BaseExceptionGroup):
        return None
    reasons = [_reason(each) for each in error.exceptions]
    return None if None in reasons else reasons[0]


def process(name: str, main: Main) -> None:
    """`python -m <name>`"""

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
            config,
            host=host,
            port=port,
            redis_url=redis_url,
            debug=debug,
            release=release,
            insecure_no_auth=insecure_no_auth,
        )
        start(settings, main, away=AWAY)

    command.__doc__ = f"One {name} process of Duestream."
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(name)(command)
    app(prog_name=f"python -m {name}")
