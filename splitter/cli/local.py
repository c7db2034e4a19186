"""The files of a configuration as they are now, read once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from splitter.config.problems import Problem
    from splitter.config.source import Source


def read_files(paths: Sequence[str]) -> tuple[list[Source], tuple[Problem, ...]]:
    """What is found in files and folders, as `serve` would find it, and what is wrong with the paths themselves; what is wrong with
    the files stands in them."""
    from splitter.store.files import FileWatch

    # A clock of one second a look: nothing is waited for, and the second look finds every file unchanged for long enough.
    watch = FileWatch(paths, itertools.count().__next__)
    found = {**watch.look().candidates, **(second := watch.look()).candidates}
    # By path, as everywhere: of two files that clash, the later one is told.
    return [source for _, source in sorted(found.items()) if source is not None], second.problems
