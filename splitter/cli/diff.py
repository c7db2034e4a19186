"""`splitter diff`: what is different between two versions of an endpoint, or between files and what is in force."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from splitter.cli.asking import asking
from splitter.cli.client import NoAnswer, Refused, Server
from splitter.cli.completing import endpoint_names
from splitter.cli.completing import versions as kept_versions
from splitter.cli.flags import DEFAULT_PATH, SETTINGS
from splitter.cli.terminal import fail, say

if TYPE_CHECKING:
    from splitter.cli.differences import Difference, Side
    from splitter.cli.versions import Version
    from splitter.config.endpoint import EndpointConfig

_IN_FORCE = "/-/config"
DIFFERENT, TROUBLE = 1, 2  # the exit codes of diff(1)


@click.command(context_settings=SETTINGS)
@click.argument("name", required=False, shell_complete=endpoint_names)
@click.argument("old", type=click.IntRange(1), required=False, metavar="[VERSION", shell_complete=kept_versions)
@click.argument("new", type=click.IntRange(1), required=False, metavar="[VERSION]]", shell_complete=kept_versions)
@click.option("--file", multiple=True, metavar="PATH", help="Compare this file or folder with what is in force; may be repeated.")
@asking
def diff(name: str | None, old: int | None, new: int | None, file: tuple[str, ...], server: Server, as_json: bool) -> None:
    """Show what is different: exit code 0 for nothing, 1 for something, 2 for trouble.

    With NAME alone, what the newest version of the endpoint changed; with one VERSION, what is in force against it; with two, the
    second against the first. Without NAME, or with --file, what the files here (config/) would change: give every PATH that the
    running splitter serves.

    \b
    Examples:
      splitter diff multi-model
      splitter diff multi-model 3 5
      splitter diff --file config/
    """
    if old is not None and file:
        raise click.UsageError("--file compares with what is in force, and not with a version")
    try:
        if name is not None and not file:
            found = [_of_versions(server, name, old, new)]
        else:
            found = list(_of_files(server, name, file or (DEFAULT_PATH,)))
    except (NoAnswer, Refused) as exc:
        fail(str(exc), TROUBLE)
    differences = [each for each in found if not each.is_empty]
    if as_json:
        click.echo(json.dumps({"differences": [each.as_json() for each in differences]}, ensure_ascii=False))
    elif differences:
        say("\n\n".join(map(_in_full, differences)))
    else:
        say("nothing is different" if len(found) != 1 else f"{found[0].old} and {found[0].new} are the same")
    sys.exit(DIFFERENT if differences else 0)


def _in_full(found: Difference) -> str:
    title = f"{found.old} → {found.new}: {found.words}" if found.words else f"{found.old} → {found.new}"
    return f"{title}\n{found.diff}".rstrip("\n")


# --- versions -------------------------------------------------------------------------------------------------------------------


def _of_versions(server: Server, name: str, old: int | None, new: int | None) -> Difference:
    from splitter.cli.differences import difference
    from splitter.cli.versions import versions_of

    newest = versions_of(server, name, 2)
    if not newest:
        raise Refused(f"no version of {name} is kept")
    if old is None and len(newest) < 2:
        raise Refused(f"{name} has no version before v{newest[0].number} that is kept")
    before = newest[1] if old is None else _version(server, name, old, newest)
    after = newest[0] if new is None else _version(server, name, new, newest)
    return difference(name, _side(name, before), _side(name, after))


def _version(server: Server, name: str, number: int, known: Sequence[Version]) -> Version:
    from splitter.cli.client import endpoint_path
    from splitter.cli.versions import read_version

    found = next((version for version in known if version.number == number), None)
    return found or read_version(name, server.get(f"{endpoint_path(name)}/config/versions/{number}"))


def _side(name: str, version: Version) -> Side:
    from splitter.cli.differences import Side

    return Side(f"{name} v{version.number}", version.document, version.fingerprint)


# --- files ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Running:
    """An endpoint in force, as /-/config tells it."""

    version: int
    fingerprint: str
    file: str
    urls: Mapping[str, tuple[str, ...]]


def _of_files(server: Server, only: str | None, paths: Sequence[str]) -> Iterator[Difference]:
    """What the files would change, endpoint by endpoint."""
    from splitter.cli.differences import Side, difference

    written = _written(paths)
    running = _running(server.get(_IN_FORCE))
    names = sorted({*written, *(name for name, each in running.items() if _is_covered(each.file, paths))})
    if only is not None and only not in names:
        raise Refused(f"{only} is neither in force nor in {', '.join(paths)}")
    for name in names if only is None else [only]:
        old = _side_in_force(server, name, running.get(name), written.get(name))
        yield difference(name, old, written.get(name) or Side(f"{name} (in no file)", None))


def _written(paths: Sequence[str]) -> dict[str, Side]:
    """The endpoints of the files. Ends the process where they would not be put in force."""
    from splitter.cli.differences import Side
    from splitter.cli.local import read_files
    from splitter.config.body import create_body
    from splitter.config.compiled import compile_sources

    sources, unreachable = read_files(paths)
    compiled = compile_sources(sources)
    problems = [*unreachable, *compiled.problems]
    if problems:
        for problem in problems:
            say(str(problem), err=True)
        fail("these files would not be put in force as they are, so what they would change cannot be told", TROUBLE)
    drafted = {each.draft.name: each for source in sources for each in source.endpoints}
    return {
        name: Side(str(config.place), create_body(drafted[name]), config.fingerprint(), _urls(config))
        for name, config in compiled.endpoints.items()
    }


def _urls(config: EndpointConfig) -> dict[str, tuple[str, ...]]:
    return {entity.name: entity.urls for entity in config.entities}


def _running(document: Mapping[str, Any]) -> dict[str, _Running]:
    from splitter.cli.answers import rows_of

    return {
        str(row.get("name")): _Running(
            version if isinstance(version := row.get("version"), int) else 0,
            str(row.get("hash") or ""),
            str(row.get("defined_at") or "").partition(":")[0],
            {str(model.get("name")): tuple(map(str, model.get("urls") or ())) for model in rows_of(row, "served_models")},
        )
        for row in rows_of(document, "endpoints")
    }


def _is_covered(file: str, paths: Sequence[str]) -> bool:
    """Whether an endpoint of that file would be gone if it is in none of PATHs: folders stand for all there is."""
    return any(os.path.isdir(path) or os.path.abspath(path) == os.path.abspath(file) for path in paths)


def _side_in_force(server: Server, name: str, there: _Running | None, written: Side | None) -> Side:
    """Its document is asked for only where the hashes differ."""
    from splitter.cli.client import endpoint_path
    from splitter.cli.differences import Side
    from splitter.cli.versions import read_version

    if there is None:
        return Side(f"{name} (not in force)", None)
    label = f"{name} v{there.version}"
    if written is not None and written.fingerprint == there.fingerprint:
        return replace(written, label=label)
    version = read_version(name, server.get(f"{endpoint_path(name)}/config/versions/{there.version}"))
    return Side(label, version.document, there.fingerprint, there.urls)
