"""What several commands share: their flags, and where things are when nobody says."""

from __future__ import annotations

import os

# Without the prefix, click would call the variable of `serve --host` SPLITTER_SERVE_HOST.
SETTINGS = {"auto_envvar_prefix": "SPLITTER", "help_option_names": ["-h", "--help"]}
DEFAULT_PATH = "config/"


def default_state_dir(path: str, state_directory: str) -> str:
    """`$STATE_DIRECTORY` (of a list, the first), else `.splitter/` beside the configuration: in the folder that holds PATH."""
    first = state_directory.partition(":")[0]
    return first or os.path.join(os.path.dirname(os.path.abspath(path)), ".splitter")
