"""The commands that deal with files alone: no splitter needs to run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from splitter.cli.flags import DEFAULT_PATH, SETTINGS, default_state_dir
from splitter.cli.local import read_files
from splitter.cli.terminal import fail, plural, warn

if TYPE_CHECKING:
    from splitter.config.source import Source


@click.command(context_settings=SETTINGS)
@click.argument("paths", nargs=-1, type=click.Path(), metavar="[PATH ...]")
def validate(paths: tuple[str, ...]) -> None:
    """Check the YAML files in PATH, config/ without any, and show every error of them.

    Warnings do not make them invalid: shares with decimals, which some clients of the API cannot read.

    \b
    Example:
      splitter validate config/ more/chat.yaml
    """
    from splitter.config.compiled import compile_sources
    from splitter.config.whole_percent import warnings_of

    sources, unreachable = read_files(paths or (DEFAULT_PATH,))
    compiled = compile_sources(sources)
    problems = [*unreachable, *compiled.problems]
    if problems:
        for problem in problems:
            click.echo(str(problem), err=True)
        sys.exit(1)
    for place, sentence in sorted(warning for endpoint in compiled.endpoints.values() for warning in warnings_of(endpoint)):
        click.echo(f"{place}: warning: {sentence}", err=True)
    models = sum(len(endpoint.entities) for endpoint in compiled.endpoints.values())
    counted = f"{plural(len(compiled.endpoints), 'endpoint')}, {plural(models, 'served model')} in {plural(len(sources), 'file')}"
    click.echo(f"ok: {counted}")


@click.command(context_settings=SETTINGS)
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option("--output", type=click.Path(), default="config/endpoints.yaml", show_default=True, metavar="FILE", help="The file to write.")
@click.option("--name", default=None, help="Name of the endpoint.  [default: my-endpoint]")
def init(urls: tuple[str, ...], output: str, name: str | None) -> None:
    """Write a first configuration: one endpoint over the model servers at the URLs, with comments.

    \b
    Example:
      splitter init http://127.0.0.1:5001 http://127.0.0.1:5002 --name multi-model
    """
    from splitter.config.source import read_source
    from splitter.config.template import DEFAULT_NAME, commented_file
    from splitter.config.vocabulary import is_name

    if name is not None and not is_name(name):
        fail(f"{name!r} is not a name: 1 to 63 letters, digits, - and _ are allowed")
    try:
        text = commented_file(urls, name or DEFAULT_NAME)
    except ValueError as exc:
        fail(str(exc))
    problems = read_source(output, text.encode()).problems
    if problems:
        fail(problems[0].message)
    file = Path(output)
    others = _beside(file)
    _refuse_clash(file, text, others)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        fail(f"{output} exists and is left as it is; write another file with --output FILE")
    except OSError as exc:
        fail(f"{output} cannot be written: {exc.strerror}")
    _lay_schema(file.parent)
    is_default = file.parent == Path(DEFAULT_PATH)
    if not others:
        _begin_state(DEFAULT_PATH if is_default else output)
    served = "" if is_default else f" {output}"
    click.echo(f"wrote {output}\nnow check it, and serve it:\n  splitter validate{served}\n  splitter serve{served}")


@click.command(context_settings=SETTINGS)
@click.option(
    "--output",
    type=click.Path(),
    metavar="FILE",
    allow_from_autoenv=False,  # SPLITTER_OUTPUT is the file of `init`, which must not be overwritten
    help="Write it to FILE, in place of what is there, instead of standard output.",
)
def schema(output: str | None) -> None:
    """Print the JSON Schema of a configuration file, by which editors complete and check.

    The files that splitter writes name it in their first line, and it lies beside them.

    \b
    Examples:
      splitter schema --output config/.splitter.schema.json
      splitter schema | jq .definitions.endpoint.properties
    """
    from splitter.store.schema_file import schema as shipped

    if output is None:
        click.echo(shipped(), nl=False)
        return
    try:
        Path(output).write_bytes(shipped())
    except OSError as exc:
        fail(f"{output} cannot be written: {exc.strerror}")
    click.echo(f"wrote {output}")


def _lay_schema(folder: Path) -> None:
    from splitter.store.schema_file import lay_schema

    try:
        lay_schema(folder)
    except OSError as exc:
        warn(f"editors will not know the fields: the JSON Schema cannot be written beside the file ({exc.strerror})")


def _beside(file: Path) -> list[Source]:
    """What stands in the same folder."""
    return read_files((str(file.parent),))[0] if file.parent.is_dir() else []


def _begin_state(path: str) -> None:
    """Where `serve PATH` will keep its state, say that it begins here, so that versions begin at 1. Beside other files it is not said:
    they may have been served, and where their state was lost, numbers must not be given twice."""
    from splitter.store.ledger import Ledger, LedgerError

    folder = Path(os.environ.get("SPLITTER_STATE_DIR") or default_state_dir(path, os.environ.get("STATE_DIRECTORY", "")))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # as `serve` makes it
        Ledger.begin(folder)
    except LedgerError as exc:
        warn(f"versions will not begin at 1: {exc}")
    except OSError as exc:
        warn(f"versions will not begin at 1: {folder} cannot be made: {exc.strerror}")


def _refuse_clash(file: Path, text: str, others: Sequence[Source]) -> None:
    """A new file must not make the ones beside it invalid: all files of a folder are one configuration."""
    from splitter.config.compiled import compile_sources
    from splitter.config.source import read_source

    problems = compile_sources([*others, read_source(str(file), text.encode())]).problems
    clashes = [problem.message for problem in problems if problem.place.file == str(file)]
    if clashes:
        fail(f"{file} is not written, it would clash with one beside it: {clashes[0]}. Choose another --name or --output folder")
