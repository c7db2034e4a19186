"""What a change by a call would do to the files, and what it would be refused for."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from splitter.config.source import read_source
from splitter.errors import Conflict, ReadOnly, SplitterError
from splitter.store.file_diff import HIDDEN, file_diff
from splitter.store.file_store import FileStore
from splitter.store.interface import NO_VERSION, Put
from splitter.store.ledger import Ledger
from tests.contract.restricted import RESTRICTED
from tests.store.conformance import canary, drafted

COMMENTED = """\
# Ask before you move it.
endpoints:
  m:
    served_models:
      current:    {url: http://127.0.0.1:5001, traffic: rest}
      challenger: {url: http://127.0.0.1:5002, traffic: 10}   # the one number of a canary
"""


class Place:
    """`config/m.yaml` and another file, in a folder that nothing else is in; messages show paths that begin with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "config"
        self.folder.mkdir()
        (self.folder / "m.yaml").write_text(COMMENTED)
        (self.folder / "other.yaml").write_text("endpoints: {other: {served_models: {a: {url: http://127.0.0.1:1, traffic: 100}}}}\n")
        Ledger.begin(folder / "state")
        self.state = folder / "state"
        self.store = FileStore((str(self.folder),), self.state, strict=True)

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


@pytest_asyncio.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path)
    await place.store.load_all()
    yield place
    await place.store.close()


async def test_the_line_that_would_change(place: Place) -> None:
    before = place.files()
    preview = await place.store.preview(Put("m", canary(50), 1))
    file = f"{place.folder}/m.yaml"
    assert preview.file == file
    assert preview.diff == (
        f"--- {file}\n+++ {file}\n@@ -3,4 +3,4 @@\n   m:\n     served_models:\n"
        "       current:    {url: http://127.0.0.1:5001, traffic: rest}\n"
        "-      challenger: {url: http://127.0.0.1:5002, traffic: 10}   # the one number of a canary\n"
        "+      challenger: {url: http://127.0.0.1:5002, traffic: 50}   # the one number of a canary\n"
    )
    assert place.files() == before
    assert preview.entry is not None
    assert str(preview.entry.config.place) == f"{file}:3:3"
    assert str(preview.entry.config.entities[1].place) == f"{file}:6:57"


async def test_the_diff_is_what_is_written_then(place: Place) -> None:
    preview = await place.store.preview(Put("m", canary(50), 1))
    before = (place.folder / "m.yaml").read_bytes()
    await place.store.put_if([Put("m", canary(50), 1)])
    after = (place.folder / "m.yaml").read_bytes()
    assert preview.diff == file_diff(preview.file, read_source("m.yaml", before), read_source("m.yaml", after))


async def test_a_file_that_would_be_made(place: Place) -> None:
    preview = await place.store.preview(Put("new", canary(50, "new"), NO_VERSION))
    assert preview.file == f"{place.folder}/new.yaml"
    assert preview.diff.startswith(f"--- /dev/null\n+++ {place.folder}/new.yaml\n@@ -0,0 +1,")
    assert preview.entry is not None
    assert preview.entry.config.place.file == preview.file
    assert not (place.folder / "new.yaml").exists()
    await place.store.put_if([Put("new", canary(50, "new"), NO_VERSION)])
    assert preview.diff == file_diff(preview.file, None, read_source(preview.file, (place.folder / "new.yaml").read_bytes()))


async def test_a_file_that_would_go(place: Place) -> None:
    preview = await place.store.preview(Put("m", None, 1))
    assert preview.diff.startswith(f"--- {place.folder}/m.yaml\n+++ /dev/null\n@@ -1,6 +0,0 @@\n-# Ask before you move it.\n")
    assert (place.folder / "m.yaml").exists()


async def test_what_is_so_already_changes_no_file(place: Place) -> None:
    preview = await place.store.preview(Put("m", canary(10), 1))
    assert (preview.file, preview.diff) == (f"{place.folder}/m.yaml", "")
    assert preview.entry is not None
    assert preview.entry.version == 1


async def test_no_number_is_taken(place: Place) -> None:
    for _ in range(3):
        preview = await place.store.preview(Put("m", canary(50), 1))
        assert preview.entry is not None
        assert preview.entry.version == 2
    (answer,) = await place.store.put_if([Put("m", canary(50), 1)])
    assert answer is not None
    assert not isinstance(answer, SplitterError)
    assert answer.version == 2


async def test_a_file_that_somebody_has_edited(place: Place) -> None:
    (place.folder / "m.yaml").write_text("endpoints: [")
    with pytest.raises(Conflict, match=r"m\.yaml was edited and differs from what is in force"):
        await place.store.preview(Put("m", canary(50), 1))


async def test_a_file_that_cannot_be_edited_surely(tmp_path: Path) -> None:
    folder = tmp_path / "body"
    folder.mkdir()
    file = folder / "body.yaml"
    file.write_text("name: m\nconfig: {served_entities: [{name: a, url: http://127.0.0.1:1}]}\n")
    store = FileStore((str(file),), tmp_path / "state", strict=True)
    await store.load_all()
    wish = Put("n", canary(50, "n"), NO_VERSION)
    with pytest.raises(Conflict) as caught:
        await store.preview(wish)
    (answer,) = await store.put_if([wish])
    assert isinstance(answer, Conflict)
    assert answer.message == caught.value.message
    await store.close()


@pytest.mark.parametrize("target", [canary(50), None])
async def test_a_folder_that_cannot_be_written(tmp_path: Path, target: object) -> None:
    """In a process for whom permissions hold, also where the tests run as root."""
    place = Place(tmp_path)
    await place.store.load_all()
    await place.store.close()
    ran = await asyncio.to_thread(_tried_by_nobody, place, "None" if target is None else "canary(50)")
    assert ran.stdout.startswith(f"{ReadOnly.__name__} "), ran.stderr
    assert "m.yaml" in ran.stdout


def _tried_by_nobody(place: Place, target: str) -> subprocess.CompletedProcess[str]:
    place.folder.chmod(0o555)
    (place.folder / "m.yaml").chmod(0o444)
    program = (
        "import asyncio, sys\n"
        "from splitter.store.file_store import FileStore\n"
        "from splitter.store.interface import Put\n"
        "from tests.store.conformance import canary\n"
        "async def main():\n"
        "    store = FileStore((sys.argv[1],), sys.argv[2], strict=True)\n"
        "    await store.load_all()\n"
        "    try:\n"
        f"        await store.preview(Put('m', {target}))\n"
        "    except Exception as exc:\n"
        "        print(type(exc).__name__, exc)\n"
        "asyncio.run(main())\n"
    )
    command = [*RESTRICTED[:3], "-c", program, str(place.folder), str(place.state)]
    root = Path(__file__).parent.parent.parent
    try:
        return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=30, check=False)
    finally:
        place.folder.chmod(0o755)


# --- what nobody may read -----------------------------------------------------------------------------------------------------

WITH_SECRETS = """\
endpoints:
  - name: m
    config:
      served_entities:
        - name: a
          url: http://127.0.0.1:1
          environment_vars: {TOKEN: hunter2, KEY: '{{secrets/s/k}}', EMPTY: ""}
        - name: b
          url: http://127.0.0.1:2
          environment_vars:
            PASSWORD: |
              hunter3
              hunter4
            PIN: 1234
      traffic_config: {routes: [{served_model_name: a, traffic_percentage: SHARE}, {served_model_name: b, traffic_percentage: 0}]}
"""


def test_plain_values_of_variables_are_not_shown() -> None:
    source = read_source("a.yaml", WITH_SECRETS.replace("SHARE", "100").encode())
    assert not source.problems
    diff = file_diff("a.yaml", source, None)
    for secret in ("hunter", "1234"):
        assert secret not in diff
    assert f"TOKEN: {HIDDEN}, KEY: '{{{{secrets/s/k}}}}', EMPTY: \"\"}}" in diff
    assert f"-            PASSWORD: {HIDDEN}\n-            PIN: {HIDDEN}\n-      traffic_config" in diff


async def test_neither_are_those_around_a_change(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(WITH_SECRETS.replace("SHARE", "100"))
    store = FileStore((str(file),), tmp_path / "state", strict=True)
    await store.load_all()
    target = drafted(WITH_SECRETS.replace("SHARE", "60").replace("percentage: 0", "percentage: 40"))
    preview = await store.preview(Put("m", target))
    await store.close()
    assert "+      traffic_config" in preview.diff
    assert "1234" not in preview.diff
    assert "1234" in file.read_text()
