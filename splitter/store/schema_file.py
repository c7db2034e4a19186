"""The JSON Schema beside the files that splitter writes: their first line names it, so an editor completes and checks them offline.

A path within the folder, since a URL would need a network, and an absolute path would be wrong on every other machine, in a container
and in whichever repository the folder is kept. The name begins with a dot: it is nothing to edit, and no PATH takes it for configuration.
"""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import resources
from pathlib import Path

from splitter.config.template import SCHEMA_FILE


def schema() -> bytes:
    """The schema of this version of splitter, as it is shipped."""
    return resources.files("splitter.config").joinpath("schema.json").read_bytes()


def lay_schema(folder: str | Path) -> None:
    """Put the schema into `folder`, unless it is there already. That of another version makes way.

    Raises:
        OSError: it cannot be written, and nothing has changed.
    """
    wanted = schema()
    file = Path(folder, SCHEMA_FILE)
    with suppress(OSError):
        if file.read_bytes() == wanted:
            return
    half = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        half.write_bytes(wanted)
        half.replace(file)
    except OSError:
        half.unlink(missing_ok=True)
        raise
