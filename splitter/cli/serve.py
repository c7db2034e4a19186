"""The commands that serve: from files, and the demo."""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path
from typing import Any

import click

from splitter.cli.flags import DEFAULT_PATH, SETTINGS, default_state_dir
from splitter.cli.terminal import fail
from splitter.cpus import usable_workers
from splitter.errors import NoConfiguration, StartError
from splitter.log_line import FORMS
from splitter.settings import Limits, Settings

MOST_WORKERS = 256
MOST_HISTORY = 10_000
_LIMITS = Limits()
_MB = 1024 * 1024

_HOST = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
_PORT = click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port to listen on; 0 takes a free one."
)


class _Workers(click.ParamType[int]):
    name = "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == "auto":
            return usable_workers()
        if not str(value).isascii() or not str(value).isdigit() or not 1 <= int(value) <= MOST_WORKERS:
            self.fail(f"{value!r} is neither 'auto' nor a number from 1 to {MOST_WORKERS}", param, ctx)
        return int(value)


_WORKERS = click.option(
    "--workers",
    type=_Workers(),
    default="auto",
    show_default=True,
    help="Worker processes; auto: CPUs by affinity and quota, at most 4.",
)


@click.command(context_settings=SETTINGS)
@click.argument("paths", nargs=-1, type=click.Path(), metavar="[PATH ...]")
@_HOST
@_PORT
@_WORKERS
@click.option(
    "--state-dir",
    type=click.Path(),
    metavar="DIR",
    help="Where versions and last good files are kept.  [default: $STATE_DIRECTORY, else .splitter/]",
)
@click.option(
    "--history",
    type=click.IntRange(1, MOST_HISTORY),
    default=200,
    show_default=True,
    help="Versions kept of each endpoint; older ones are forgotten.",
)
@click.option(
    "--trusted-proxies", multiple=True, metavar="CIDR[,CIDR]", help="Networks whose X-Forwarded fields are believed; may be repeated."
)
@click.option(
    "--max-connections", type=click.IntRange(1), default=_LIMITS.connections, show_default=True, help="Client connections over all workers."
)
@click.option(
    "--max-body-mb",
    type=click.IntRange(1, 4096),
    default=_LIMITS.body_bytes // _MB,
    show_default=True,
    help="Size of a request's body.",
)
@click.option(
    "--drain-timeout", type=click.FloatRange(0), default=30.0, show_default=True, help="Seconds for requests in flight at the end."
)
@click.option("--access-log", metavar="PATH|-", help="Write a line for each request to a file, or to standard output.  [default: none]")
@click.option(
    "--access-log-sample",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    metavar="FRACTION",
    help="Share of the requests that stand in it; failures always do.",
)
@click.option(
    "--log-format",
    type=click.Choice(FORMS),
    default="auto",
    show_default=True,
    help="splitter's own lines; auto: text on a terminal, JSON elsewhere.",
)
def serve(
    paths: tuple[str, ...],
    host: str,
    port: int,
    workers: int,
    state_dir: str | None,
    history: int,
    trusted_proxies: tuple[str, ...],
    max_connections: int,
    max_body_mb: int,
    drain_timeout: float,
    access_log: str | None,
    access_log_sample: float,
    log_format: str,
) -> None:
    """Serve what the YAML files in PATH say, and follow every edit of them.

    PATH are files or folders of *.yaml and *.yml; without any, config/.

    \b
    Example:
      splitter serve config/ --port 8080 --workers 4
    """
    paths = paths or (DEFAULT_PATH,)
    networks = _networks(trusted_proxies)
    looked = [(path, _found(path)) for path in paths]
    if any(found != "found" for _, found in looked):
        fail(NoConfiguration(looked))
    log = _access_log(access_log or "")
    from splitter import supervisor

    settings = Settings(
        paths=paths,
        state_dir=state_dir or default_state_dir(paths[0], os.environ.get("STATE_DIRECTORY", "")),
        host=host,
        port=port,
        workers=workers,
        trusted_proxies=networks,
        drain_s=drain_timeout,
        history=history,
        access_log=log,
        access_log_sample=access_log_sample,
        log_format=log_format,
        limits=Limits(connections=max_connections, body_bytes=max_body_mb * _MB),
    )
    sys.exit(supervisor.run(settings, again=supervisor.same_command()))


@click.command(context_settings=SETTINGS)
@_HOST
@_PORT
@click.option("--workers", type=_Workers(), default=None, help="Worker processes.  [default: CPUs, at most 2]")
@click.option("--no-traffic", is_flag=True, help="Send no requests.")
def demo(host: str, port: int, workers: int | None, no_traffic: bool) -> None:
    """Start model servers, splitter in front of them, and light traffic: something to play with.

    \b
    Example:
      splitter demo --no-traffic
    """
    from splitter import demo as demonstration

    sys.exit(demonstration.run(host, port, workers, not no_traffic))


def _networks(values: tuple[str, ...]) -> tuple[str, ...]:
    """CIDR blocks, each written out; a single address is the block of itself."""
    blocks = [block.strip() for value in values for block in value.split(",") if block.strip()]
    try:
        return tuple(str(ipaddress.ip_network(block)) for block in blocks)
    except ValueError as exc:
        raise click.BadParameter(f"{exc}; write for example 10.0.0.0/8,192.168.1.7", param_hint="--trusted-proxies") from exc


def _access_log(path: str) -> str:
    """The path made absolute. Tried out before anything is started: workers that cannot write it serve all the same."""
    from splitter.telemetry import log_file

    if path and path != log_file.STDOUT:
        path = os.path.abspath(path)
        try:
            log_file.check(path)
        except StartError as exc:
            fail(exc)
    return path


def _found(path: str) -> str:
    """What is at a PATH. Only a first look, before anything is made on the disk; the control plane reads it."""
    place = Path(path)
    try:
        if place.is_dir():
            names = (entry.name for entry in place.iterdir())
            yaml = any(name.endswith((".yaml", ".yml")) and not name.startswith(".") for name in names)
            return "found" if yaml else "a folder that holds neither"
        return "found" if place.exists() else "does not exist"
    except OSError as exc:
        return exc.strerror or "cannot be read"
