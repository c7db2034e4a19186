"""Which file an endpoint is written to, whether that file still holds what is in force, and what becomes of it when it is left empty."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence

from splitter.config.reading.parse import MAX_BYTES
from splitter.config.source import Drafted, Source, read_source
from splitter.errors import Conflict, ReadOnly
from splitter.store.replace import content
from splitter.store.sources import Sources

_MOST_NAMES = 1000


def file_for_new(name: str, paths: Sequence[str], sources: Sources, taken: Collection[str]) -> str:
    """Where a new endpoint goes: a file of its own in the first folder among PATHs, else into the first file that can hold it. `taken`
    are files that others are about to make.

    Raises:
        Conflict: it stands in a file that is held back, or none of PATHs can take it.
        ReadOnly: no name is left for its file.
    """
    if (held := sources.refused_with(name)) is not None:
        raise Conflict(
            f"{held.file} holds an endpoint {name!r} that is not in force, because the file is refused: {sources.objection(held.file)}. "
            "Mend the file, or remove the endpoint from it, first"
        )
    folder = next((path for path in paths if os.path.isdir(path)), None)
    if folder is not None:
        return _free_name(folder, name, {*taken, *sources.in_force})
    files = [path for path in paths if path in sources.in_force]
    if not files:
        why = "; ".join(sources.objection(path) if sources.refused(path) else f"{path}: cannot be read" for path in paths)
        raise Conflict(f"there is no place for the endpoint {name!r}, since nothing is in force of any PATH. Put one in order first: {why}")
    for path in files:
        if not sources.in_force[path].is_body:
            return path
    raise Conflict(
        f"there is no place for the endpoint {name!r}: {files[0]} is the body of one endpoint as the API takes it. Write it as an entry of "
        "a list under `endpoints:`, to which others can be added, or start splitter with a folder as PATH"
    )


def _free_name(folder: str, name: str, taken: Collection[str]) -> str:
    """NAME.yaml, or NAME-2.yaml and so on where that is taken by a file for something else, be it one that is just gone."""
    for number in range(1, _MOST_NAMES):
        file = os.path.join(folder, f"{name}.yaml" if number == 1 else f"{name}-{number}.yaml")
        if file not in taken and not os.path.lexists(file):
            return file
    raise ReadOnly(f"no name for a new file is left in {folder}: {name}.yaml to {name}-{_MOST_NAMES - 1}.yaml are taken")


def is_left_empty(source: Source, targets: Mapping[str, Drafted | None]) -> bool:
    """Whether nothing else is in it."""
    is_kept = any(targets.get(drafted.draft.name, drafted) is not None for drafted in source.endpoints)
    return not (source.models or is_kept or any(target is not None for target in targets.values()))


def may_be_removed(file: str, paths: Sequence[str], sources: Sources) -> bool:
    """Whether the next start finds no PATH missing and none empty without it: both are errors."""
    absolute = os.path.abspath(file)
    folder = os.path.dirname(absolute)
    given = {os.path.abspath(path) for path in paths}
    others = (other for other in map(os.path.abspath, sources.in_force) if other != absolute)
    return absolute not in given and folder in given and any(os.path.dirname(other) == folder for other in others)


def check_unchanged(source: Source, sources: Sources) -> None:
    """What a person has written to a file since it was put in force must not be lost, be it good or bad.

    Raises:
        Conflict: with what to do.
    """
    file = source.file
    try:
        found = content(file, MAX_BYTES + 1)
    except OSError as exc:
        raise Conflict(f"{file} is in force and cannot be read any more ({exc.strerror or exc}); put it in order first") from exc
    if found is None:
        raise Conflict(
            f"{file} is in force and is not there any more; put it back first, or wait half a second: what is gone from a folder that "
            "still holds other files is then taken out of force"
        )
    if found == source.data:
        return
    refused = sources.refused(file)
    problems = read_source(file, found).problems if refused is None or refused.data != found else refused.problems
    if problems:
        why = f"the edit is refused ({problems[0]}). Mend the file, or put the version back that is in force"
    elif refused is not None and refused.data == found:
        why = f"the edit is refused: {sources.objection(file)}. Put one of the two in order"
    else:
        why = "the edit has not been taken over yet, which takes half a second. Read the endpoint again, then repeat the change"
    raise Conflict(f"{file} was edited and differs from what is in force; {why}")
