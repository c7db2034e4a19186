from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from splitter.errors import Conflict, ReadOnly
from splitter.store.files import FileWatch
from splitter.store.replace import Disk, check_writable, create_file, remove_file, replace_file

OLD = b"endpoints: {}  # old\n"
NEW = b"endpoints: {}  # new, and longer\n" * 100

STEPS = ("create", "write", "sync", "rename", "link", "unlink", "sync_folder")


class Scripted(Disk):
    """Notes every step under its name; before the one numbered `at` (from 0), `act` happens. Knows no exchange."""

    def __init__(self, at: int = -1, act: Callable[[], object] = lambda: None) -> None:
        self.done: list[str] = []
        self._at = at
        self._act = act

    def _step(self, name: str) -> None:
        self.done.append(name)
        if len(self.done) == self._at + 1:
            self._act()

    def create(self, path: str, mode: int) -> int:
        self._step("create")
        return super().create(path, mode)

    def write(self, descriptor: int, data: memoryview) -> int:
        self._step("write")
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._step("sync")
        super().sync(descriptor)

    def rename(self, old: str, new: str) -> None:
        self._step("rename")
        super().rename(old, new)

    def exchange(self, old: str, new: str) -> bool:
        return False

    def link(self, old: str, new: str) -> None:
        self._step("link")
        super().link(old, new)

    def unlink(self, path: str) -> None:
        self._step("unlink")
        super().unlink(path)

    def sync_folder(self, path: str) -> None:
        self._step("sync_folder")
        super().sync_folder(path)


class Exchanging(Scripted):
    def exchange(self, old: str, new: str) -> bool:
        self._step("exchange")
        return Disk.exchange(self, old, new)


class Short(Disk):
    """A disk that takes few bytes at a time."""

    def write(self, descriptor: int, data: memoryview) -> int:
        return super().write(descriptor, data[:7])


class NoLinks(Scripted):
    def link(self, old: str, new: str) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")


def failing(number: int) -> Callable[[], None]:
    def fail() -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.yaml"
    path.write_bytes(OLD)
    return path


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


# --- replacing ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("disk", "step"), [(Scripted(), "rename"), (Exchanging(), "exchange")], ids=["rename", "exchange"])
def test_the_file_holds_the_new_bytes_and_nothing_else_is_left(file: Path, disk: Scripted, step: str) -> None:
    replace_file(file, NEW, expected=OLD, disk=disk)
    assert file.read_bytes() == NEW
    assert names(file.parent) == ["a.yaml"]
    # Written through before the name is given, and the name is written through before anybody is answered.
    assert [done for done in disk.done if done != "unlink"] == ["create", "write", "sync", step, "sync_folder"]


def test_a_disk_that_takes_little_at_a_time_gets_all_of_it(file: Path) -> None:
    replace_file(file, NEW, expected=OLD, disk=Short())
    assert file.read_bytes() == NEW


def test_the_mode_is_kept(file: Path) -> None:
    file.chmod(0o640)
    replace_file(file, NEW, expected=OLD)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_is_kept(file: Path) -> None:
    os.chown(file, 12345, 54321)
    replace_file(file, NEW, expected=OLD)
    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 54321)


def test_a_link_is_followed_and_stays(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    link = folder / "link.yaml"
    link.symlink_to("../a.yaml")
    replace_file(link, NEW, expected=OLD)
    assert link.is_symlink()
    assert file.read_bytes() == NEW
    assert names(folder) == ["link.yaml"]


def test_a_relative_path_will_do(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    replace_file("a.yaml", NEW, expected=OLD)
    create_file("b.yaml", NEW)
    remove_file("a.yaml", NEW)
    assert names(file.parent) == ["b.yaml"]


def test_what_is_not_what_was_read_is_not_replaced(file: Path) -> None:
    for found in (OLD + b"more", OLD[:-1], b""):
        file.write_bytes(found)
        with pytest.raises(Conflict, match=r"a\.yaml has changed"):
            replace_file(file, NEW, expected=OLD)
        assert file.read_bytes() == found
    file.unlink()
    with pytest.raises(Conflict, match=r"a\.yaml has been removed"):
        replace_file(file, NEW, expected=OLD)
    assert names(file.parent) == []


@pytest.mark.parametrize("step", ["create", "write", "sync"])
def test_an_edit_in_the_middle_wins(file: Path, step: str) -> None:
    edit = b"edited meanwhile\n"
    disk = Scripted(1 + STEPS.index(step), lambda: file.write_bytes(edit))
    with pytest.raises(Conflict, match="has changed"):
        replace_file(file, NEW, expected=OLD, disk=disk)
    assert disk.done[1 + STEPS.index(step)] == step
    assert file.read_bytes() == edit
    assert names(file.parent) == ["a.yaml"]


def write_over(file: Path) -> None:
    file.write_bytes(b"edited meanwhile\n")


def rename_over(file: Path) -> None:
    beside = file.with_suffix(".edited")
    beside.write_bytes(b"edited meanwhile\n")
    os.replace(beside, file)


@pytest.mark.parametrize("edit", [write_over, rename_over])
def test_an_edit_after_the_last_look_wins(file: Path, edit: Callable[[Path], None]) -> None:
    """A hundred calls a second beside an editor: one of twenty edits came there, and was lost."""
    disk = Exchanging(4, lambda: edit(file))
    with pytest.raises(Conflict, match=r"a\.yaml has changed"):
        replace_file(file, NEW, expected=OLD, disk=disk)
    assert disk.done[4:6] == ["exchange", "rename"]
    assert file.read_bytes() == b"edited meanwhile\n"
    assert names(file.parent) == ["a.yaml"]


def test_a_file_that_is_removed_after_the_last_look_stays_removed(file: Path) -> None:
    disk = Exchanging(4, file.unlink)
    with pytest.raises(Conflict, match="has been removed"):
        replace_file(file, NEW, expected=OLD, disk=disk)
    assert names(file.parent) == []


def test_a_link_that_is_moved_in_the_middle_is_not_what_was_read(file: Path) -> None:
    other = file.with_name("b.yaml")
    other.write_bytes(OLD)
    link = file.with_name("link.yaml")
    link.symlink_to("a.yaml")

    def move() -> None:
        link.unlink()
        link.symlink_to("b.yaml")

    with pytest.raises(Conflict, match="leads to another file"):
        replace_file(link, NEW, expected=OLD, disk=Scripted(2, move))
    assert file.read_bytes() == other.read_bytes() == OLD
    assert names(file.parent) == ["a.yaml", "b.yaml", "link.yaml"]


def test_a_pipe_in_its_place_does_not_block(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(Conflict):
        replace_file(file, NEW, expected=OLD)


def test_what_a_kill_left_is_not_written_through(file: Path) -> None:
    """Killed between link and unlink, the temporary file is a second name of a file that is in use."""
    in_use = file.with_name("in-use.yaml")
    in_use.write_bytes(b"in use\n")
    os.link(in_use, file.with_name(".a.yaml.splitter-new"))
    replace_file(file, NEW, expected=OLD)
    assert in_use.read_bytes() == b"in use\n"
    assert file.read_bytes() == NEW
    assert names(file.parent) == ["a.yaml", "in-use.yaml"]


def test_the_watch_does_not_see_the_temporary_file(file: Path) -> None:
    seen: list[set[str]] = []
    watch = FileWatch([str(file.parent)], wall=lambda: file.stat().st_mtime + 60)

    def look() -> None:
        seen.append({os.path.basename(name) for name in watch.look(forced=True).candidates})

    replace_file(file, NEW, expected=OLD, disk=Scripted(3, look))
    assert seen == [{"a.yaml"}]


# --- creating -----------------------------------------------------------------------------------------------------------------


def test_a_new_file_is_there_whole(tmp_path: Path) -> None:
    disk = Scripted()
    create_file(tmp_path / "a.yaml", NEW, disk=disk)
    assert (tmp_path / "a.yaml").read_bytes() == NEW
    assert names(tmp_path) == ["a.yaml"]
    assert disk.done == ["unlink", "create", "write", "sync", "link", "unlink", "sync_folder"]


def test_a_new_file_is_as_open_as_any_other(tmp_path: Path) -> None:
    create_file(tmp_path / "a.yaml", NEW)
    (tmp_path / "b.yaml").write_bytes(NEW)
    assert (tmp_path / "a.yaml").stat().st_mode == (tmp_path / "b.yaml").stat().st_mode


@pytest.mark.parametrize("disk", [Disk(), NoLinks()], ids=["links", "no links"])
def test_nothing_is_ever_created_over_something(tmp_path: Path, disk: Disk) -> None:
    (tmp_path / "file").write_bytes(OLD)
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    before = names(tmp_path)
    for name in before:
        with pytest.raises(Conflict, match=f"{name} is there already"):
            create_file(tmp_path / name, NEW, disk=disk)
    assert names(tmp_path) == before
    assert (tmp_path / "file").read_bytes() == OLD


@pytest.mark.parametrize("kind", [Scripted, NoLinks])
def test_a_file_that_appears_in_the_middle_stays(tmp_path: Path, kind: type[Scripted]) -> None:
    path = tmp_path / "a.yaml"
    disk = kind(3, lambda: path.write_bytes(OLD))
    with pytest.raises(Conflict, match="is there already"):
        create_file(path, NEW, disk=disk)
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["a.yaml"]


def test_without_links_it_is_written_in_place(tmp_path: Path) -> None:
    create_file(tmp_path / "a.yaml", NEW, disk=NoLinks())
    assert (tmp_path / "a.yaml").read_bytes() == NEW
    assert names(tmp_path) == ["a.yaml"]


@pytest.mark.parametrize("step", [4, 5, 6])
def test_without_links_an_error_leaves_nothing(tmp_path: Path, step: int) -> None:
    disk = NoLinks(step, failing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        create_file(tmp_path / "a.yaml", NEW, disk=disk)
    assert disk.done[step] == ("create", "write", "sync")[step - 4]
    assert names(tmp_path) == []


def test_a_folder_that_is_missing_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        create_file(tmp_path / "none" / "a.yaml", NEW)


# --- removing -----------------------------------------------------------------------------------------------------------------


def test_a_file_is_removed_for_good(file: Path) -> None:
    disk = Scripted()
    remove_file(file, OLD, disk=disk)
    assert names(file.parent) == []
    assert disk.done == ["unlink", "sync_folder"]


def test_only_what_was_read_is_removed(file: Path) -> None:
    with pytest.raises(Conflict, match="has changed"):
        remove_file(file, NEW)
    assert file.read_bytes() == OLD
    file.unlink()
    with pytest.raises(Conflict, match="has been removed"):
        remove_file(file, OLD)


def test_of_a_link_only_the_link_is_removed(file: Path) -> None:
    link = file.with_name("link.yaml")
    link.symlink_to(file)
    remove_file(link, OLD)
    assert names(file.parent) == ["a.yaml"]


# --- what cannot be written ---------------------------------------------------------------------------------------------------


def refused(file: Path) -> list[str]:
    """The messages of all calls; nothing is changed by them."""
    before = names(file.parent)
    messages = []
    calls: list[Callable[[], None]] = [
        lambda: check_writable(file),
        lambda: replace_file(file, NEW, expected=OLD),
        lambda: remove_file(file, OLD),
        lambda: create_file(file.with_name("other.yaml"), NEW),
    ]
    for call in calls:
        with pytest.raises(ReadOnly) as caught:
            call()
        messages.append(caught.value.message)
    assert file.read_bytes() == OLD
    assert names(file.parent) == before
    return messages


def test_a_file_without_write_bits_is_left_alone_even_by_root(file: Path) -> None:
    file.chmod(0o444)
    calls: list[Callable[[], None]] = [lambda: replace_file(file, NEW, expected=OLD), lambda: remove_file(file, OLD)]
    for call in calls:
        with pytest.raises(ReadOnly, match=f"Edit {file} by hand"):
            call()
    assert file.read_bytes() == OLD


def test_a_folder_without_write_bits_is_left_alone_even_by_root(file: Path) -> None:
    file.parent.chmod(0o555)
    try:
        messages = refused(file)
    finally:
        file.parent.chmod(0o755)
    assert all(f"{file.parent} is not writable" in message for message in messages)
    assert "other.yaml by hand" in messages[3]


def test_a_volume_of_kubernetes_is_left_alone(tmp_path: Path) -> None:
    """As a kubelet lays it out: a.yaml → ..data/a.yaml, ..data → ..2025_01_01."""
    volume = tmp_path / "config"
    (volume / "..2025_01_01").mkdir(parents=True)
    (volume / "..2025_01_01" / "a.yaml").write_bytes(OLD)
    (volume / "..data").symlink_to("..2025_01_01")
    (volume / "a.yaml").symlink_to("..data/a.yaml")
    messages = refused(volume / "a.yaml")
    assert all("ConfigMap" in message for message in messages)
    outside = tmp_path / "a.yaml"
    outside.symlink_to(volume / "a.yaml")
    with pytest.raises(ReadOnly, match="ConfigMap"):
        replace_file(outside, NEW, expected=OLD)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EROFS, "read-only"),
        (errno.EACCES, "no permission"),
        (errno.EPERM, "no permission"),
        (errno.EBUSY, "mounted as a single file"),
    ],
)
@pytest.mark.parametrize("step", ["create", "rename"])
def test_what_the_system_refuses_is_said_with_the_file_to_edit(file: Path, step: str, number: int, reason: str) -> None:
    disk = Scripted(1 + STEPS.index(step), failing(number))
    with pytest.raises(ReadOnly, match=f"{reason}.* Edit {file} by hand"):
        replace_file(file, NEW, expected=OLD, disk=disk)
    assert disk.done[1 + STEPS.index(step)] == step
    assert file.read_bytes() == OLD
    assert names(file.parent) == ["a.yaml"]


# --- errors and kills at every step -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_an_error_at_any_step_leaves_the_old_file_alone(file: Path, step: int) -> None:
    disk = Scripted(step, failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        replace_file(file, NEW, expected=OLD, disk=disk)
    assert disk.done[step] == STEPS[step - 1]
    assert file.read_bytes() == OLD
    assert names(file.parent) == ["a.yaml"]


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_an_error_at_any_step_creates_nothing(tmp_path: Path, step: int) -> None:
    with pytest.raises(OSError, match="Input/output error"):
        create_file(tmp_path / "a.yaml", NEW, disk=Scripted(step, failing(errno.EIO)))
    assert names(tmp_path) == []


def test_an_error_of_the_last_step_leaves_the_new_file_whole(file: Path) -> None:
    disk = Scripted(6, failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        replace_file(file, NEW, expected=OLD, disk=disk)
    assert disk.done[6] == "sync_folder"
    assert file.read_bytes() == NEW
    assert names(file.parent) == ["a.yaml"]


_KILLED = """
import os, signal, sys
from splitter.store.replace import create_file, remove_file, replace_file
from tests.store.test_replace import NEW, OLD, Exchanging, Scripted

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

kind = {"Exchanging": Exchanging, "Scripted": Scripted}[sys.argv[1]]
for step, folder in enumerate(sys.argv[2:]):
    if (child := os.fork()) == 0:
        disk = kind(step, kill)
        replace_file(folder + "/a.yaml", NEW, expected=OLD, disk=disk)
        create_file(folder + "/b.yaml", NEW, disk=disk)
        remove_file(folder + "/c.yaml", OLD, disk=disk)
        os._exit(len(disk.done))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("kind", [Exchanging, Scripted])
def test_killed_at_any_step_every_file_is_whole_and_the_next_try_succeeds(tmp_path: Path, kind: type[Scripted]) -> None:
    folders = [tmp_path / str(step) for step in range(20)]
    for folder in folders:
        folder.mkdir()
        (folder / "a.yaml").write_bytes(OLD)
        (folder / "c.yaml").write_bytes(OLD)
    command = [sys.executable, "-c", _KILLED, kind.__name__, *map(str, folders)]
    ended = [int(code) for code in subprocess.run(command, capture_output=True, check=True, timeout=30).stdout.split()]
    steps = ended[-1]
    assert ended == [-9] * steps + [steps] * (len(folders) - steps)  # each step was once the last one
    for folder in folders:
        assert (folder / "a.yaml").read_bytes() in (OLD, NEW)
        assert not (folder / "b.yaml").exists() or (folder / "b.yaml").read_bytes() == NEW
        assert not (folder / "c.yaml").exists() or (folder / "c.yaml").read_bytes() == OLD
        assert set(names(folder)) <= {"a.yaml", "b.yaml", "c.yaml", ".a.yaml.splitter-new", ".b.yaml.splitter-new"}
        replace_file(folder / "a.yaml", b"next\n", expected=(folder / "a.yaml").read_bytes())
        if not (folder / "b.yaml").exists():
            create_file(folder / "b.yaml", NEW)
        replace_file(folder / "b.yaml", b"next\n", expected=NEW)
        assert set(names(folder)) <= {"a.yaml", "b.yaml", "c.yaml"}
