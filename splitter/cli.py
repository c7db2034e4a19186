"""The command line. Every flag can be given as an environment variable too: `--state-dir` is SPLITTER_STATE_DIR.

What a command needs is imported inside it. `serve` becomes the supervisor, which must hold neither aiohttp nor pydantic nor yaml.
Exit codes: 0, 1 for what is invalid or has failed, 2 for a wrong call.
"""

from __future__ import annotations

import http.client
import ipaddress
import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import click

from splitter import __version__
from splitter.cpus import usable_workers
from splitter.errors import NoConfiguration, SplitterError
from splitter.settings import Limits, Settings

DEFAULT_PATH = "config/"
_LIMITS = Limits()
DEFAULT_SERVER = "http://127.0.0.1:8080"
MOST_WORKERS = 256
_RELOAD_PATIENCE_S = 30.0
_MB = 1024 * 1024

# Without this, click would call the variable of `serve --host` SPLITTER_SERVE_HOST.
_SETTINGS = {"auto_envvar_prefix": "SPLITTER", "help_option_names": ["-h", "--help"]}
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


def main() -> NoReturn:
    """The entry point; ends the process."""
    commands(prog_name="splitter")
    sys.exit(0)


@click.group(context_settings=_SETTINGS)
@click.version_option(__version__, message="splitter %(version)s")
def commands() -> None:
    """Split the requests of one serving endpoint between model versions, and move the shares while traffic flows."""


@commands.command(context_settings=_SETTINGS)
@click.argument("paths", nargs=-1, metavar="[PATH ...]")
@_HOST
@_PORT
@_WORKERS
@click.option(
    "--state-dir", metavar="DIR", help="Where versions and last good files are kept.  [default: $STATE_DIRECTORY, else .splitter/]"
)
@click.option("--trusted-proxies", multiple=True, metavar="CIDR[,CIDR]", help="Networks whose X-Forwarded fields are believed.")
@click.option("--max-connections", type=click.IntRange(1), default=_LIMITS.connections, show_default=True, help="Client connections.")
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
def serve(
    paths: tuple[str, ...],
    host: str,
    port: int,
    workers: int,
    state_dir: str | None,
    trusted_proxies: tuple[str, ...],
    max_connections: int,
    max_body_mb: int,
    drain_timeout: float,
) -> None:
    """Serve what the YAML files in PATH say, and follow every edit of them.

    PATH are files or folders of *.yaml and *.yml; without any, config/.
    """
    paths = paths or (DEFAULT_PATH,)
    networks = _networks(trusted_proxies)
    looked = [(path, _found(path)) for path in paths]
    if any(found != "found" for _, found in looked):
        _fail(NoConfiguration(looked))
    from splitter import supervisor

    settings = Settings(
        paths=paths,
        state_dir=state_dir or default_state_dir(paths[0], os.environ.get("STATE_DIRECTORY", "")),
        host=host,
        port=port,
        workers=workers,
        trusted_proxies=networks,
        drain_s=drain_timeout,
        limits=Limits(connections=max_connections, body_bytes=max_body_mb * _MB),
    )
    sys.exit(supervisor.run(settings))


def default_state_dir(path: str, state_directory: str) -> str:
    """`$STATE_DIRECTORY` (of a list, the first), else `.splitter/` beside the configuration: in the folder that holds PATH."""
    first = state_directory.partition(":")[0]
    return first or os.path.join(os.path.dirname(os.path.abspath(path)), ".splitter")


@commands.command(context_settings=_SETTINGS)
@click.argument("paths", nargs=-1, metavar="[PATH ...]")
def validate(paths: tuple[str, ...]) -> None:
    """Check the YAML files in PATH, config/ without any, and show every error of them."""
    from splitter.config.compiled import compile_sources
    from splitter.store.files import FileWatch

    # A clock of one second a look: nothing is waited for, and the second look finds every file unchanged for long enough.
    watch = FileWatch(paths or (DEFAULT_PATH,), itertools.count().__next__)
    found = {**watch.look().candidates, **(second := watch.look()).candidates}
    # By path, as everywhere: of two files that clash, the later one is told.
    sources = [source for _, source in sorted(found.items()) if source is not None]
    compiled = compile_sources(sources)
    problems = [*second.problems, *compiled.problems]
    if problems:
        for problem in problems:
            click.echo(str(problem), err=True)
        sys.exit(1)
    models = sum(len(endpoint.entities) for endpoint in compiled.endpoints.values())
    counted = f"{_plural(len(compiled.endpoints), 'endpoint')}, {_plural(models, 'served model')} in {_plural(len(sources), 'file')}"
    click.echo(f"ok: {counted}")


@commands.command(context_settings=_SETTINGS)
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option("--output", default="config/endpoints.yaml", show_default=True, metavar="FILE", help="The file to write.")
@click.option("--name", default=None, help="Name of the endpoint.")
def init(urls: tuple[str, ...], output: str, name: str | None) -> None:
    """Write a first configuration: one endpoint over the model servers at the URLs, with comments."""
    from splitter.config.source import read_source
    from splitter.config.template import DEFAULT_NAME, commented_file
    from splitter.config.vocabulary import is_name

    if name is not None and not is_name(name):
        _fail(f"{name!r} is not a name: 1 to 63 letters, digits, - and _ are allowed")
    try:
        text = commented_file(urls, name or DEFAULT_NAME)
    except ValueError as exc:
        _fail(str(exc))
    problems = read_source(output, text.encode()).problems
    if problems:
        _fail(problems[0].message)
    file = Path(output)
    _refuse_clash(file, text)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        _fail(f"{output} exists and is left as it is; write another file with --output FILE")
    except OSError as exc:
        _fail(f"{output} cannot be written: {exc.strerror}")
    served = "" if file.parent == Path(DEFAULT_PATH) else f" {output}"
    click.echo(f"wrote {output}\nnow check it, and serve it:\n  splitter validate{served}\n  splitter serve{served}")


def _refuse_clash(file: Path, text: str) -> None:
    """A new file must not make the ones beside it invalid: all files of a folder are one configuration."""
    from splitter.config.compiled import compile_sources
    from splitter.config.source import read_source
    from splitter.store.files import FileWatch

    if not file.parent.is_dir():
        return
    beside = FileWatch((str(file.parent),), itertools.count().__next__)
    found = {**beside.look().candidates, **beside.look().candidates}
    others = [source for source in found.values() if source is not None]
    problems = compile_sources([*others, read_source(str(file), text.encode())]).problems
    clashes = [problem.message for problem in problems if problem.place.file == str(file)]
    if clashes:
        _fail(f"{file} is not written, it would clash with one beside it: {clashes[0]}. Choose another --name or --output folder")


@commands.command(context_settings=_SETTINGS)
@click.option("--server", default=DEFAULT_SERVER, show_default=True, metavar="URL", help="Where splitter listens.")
def reload(server: str) -> None:
    """Let a running splitter read its files now, and show what has changed."""
    status, body = _post(server, "/-/reload")
    try:
        answer = json.loads(body)
    except ValueError:
        answer = {}
    if not isinstance(answer, dict) or "applied" not in answer or "refused" not in answer:
        message = answer.get("message", "") if isinstance(answer, dict) else ""
        _fail(f"{server} answered with status {status} to a reload: {message or 'is that splitter?'}")
    for line in answer["applied"]:
        click.echo(line)
    if answer["refused"]:
        for line in answer["refused"]:
            click.echo(line, err=True)
        _fail("refused: what was in force before stays in force")
    if not answer["applied"]:
        click.echo("nothing has changed")


def _in_words(exc: Exception) -> str:
    return (exc.strerror or str(exc)).lower() if isinstance(exc, OSError) else str(exc)


def _post(server: str, path: str) -> tuple[int, bytes]:
    wrong = click.BadParameter(f"{server!r} is not a URL like {DEFAULT_SERVER}", param_hint="--server")
    try:
        url = urlsplit(server)
        host, port = url.hostname, url.port
    except ValueError:
        raise wrong from None
    if not host or url.scheme not in ("http", "https"):
        raise wrong
    make = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    try:
        connection = make(host, port, timeout=_RELOAD_PATIENCE_S)
        try:
            connection.request("POST", url.path.rstrip("/") + path, body=b"")
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as exc:
        _fail(f"no splitter answers at {server} ({_in_words(exc)}). Is it running, and there? Name another place with --server URL")


@commands.command(context_settings=_SETTINGS)
@_HOST
@_PORT
@click.option("--workers", type=_Workers(), default=None, help="Worker processes.  [default: CPUs, at most 2]")
@click.option("--no-traffic", is_flag=True, help="Send no requests.")
def demo(host: str, port: int, workers: int | None, no_traffic: bool) -> None:
    """Start model servers, splitter in front of them, and light traffic: something to play with."""
    from splitter import demo as demonstration

    sys.exit(demonstration.run(host, port, workers, not no_traffic))


def _networks(values: tuple[str, ...]) -> tuple[str, ...]:
    """CIDR blocks, each written out; a single address is the block of itself."""
    blocks = [block.strip() for value in values for block in value.split(",") if block.strip()]
    try:
        return tuple(str(ipaddress.ip_network(block)) for block in blocks)
    except ValueError as exc:
        raise click.BadParameter(f"{exc}; write for example 10.0.0.0/8,192.168.1.7", param_hint="--trusted-proxies") from exc


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


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _fail(error: SplitterError | str) -> NoReturn:
    """Say what is wrong, and exit with 1."""
    click.echo(f"splitter: error: {error}", err=True)
    sys.exit(1)
