from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.supervisor.stage import Stage


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, since Unix sockets are bound in it."""
    made = tempfile.mkdtemp(prefix="sup-")
    yield Path(made)
    shutil.rmtree(made)


@pytest.fixture
def stages(folder: Path) -> Iterator[Callable[..., Stage]]:
    """Makes stages, and clears them away."""
    made: list[Stage] = []

    def make(**given: object) -> Stage:
        made.append(partial(Stage, folder)(**given))  # type: ignore[arg-type]  # the keywords of Stage
        return made[-1]

    yield make
    for stage in made:
        stage.close()
