"""Files that people write too, replaced so that nobody ever sees half of one, and nobody's edit is lost.

temporary file beside the target → write → fsync → is the target still what it was? → rename → fsync of the folder

The rename is an exchange where the system has it, and what came out is looked at once more: an edit between the question and the answer
is put back. Without that, one of twenty edits was lost beside a hundred calls a second.

Killed at any point, the target holds the old bytes or the new ones, whole. What may be left is the temporary file: its hidden name is
skipped by the watch and taken again by the next try, which unlinks it first, since it can be another name of a file that is in use.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from splitter.errors import Conflict, ReadOnly
from splitter.store.exchange import exchange

_REFUSALS = {
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "splitter has no permission to write there",
    errno.EPERM: "splitter has no permission to write there",
    errno.EBUSY: "it is mounted as a single file, and such a file cannot be replaced",  # docker run -v ./a.yaml:/config/a.yaml
}
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_NO_FOLDER_SYNC = (errno.EINVAL, errno.EOPNOTSUPP)


class Disk:
    """The steps that change something, one method each."""

    def create(self, path: str, mode: int) -> int:
        """A descriptor of a new, empty file. Raises FileExistsError rather than to open one that is there."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)

    def write(self, descriptor: int, data: memoryview) -> int:
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new)

    def exchange(self, old: str, new: str) -> bool:
        """False: it is not possible here."""
        return exchange(old, new)

    def link(self, old: str, new: str) -> None:
        os.link(old, new)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def sync_folder(self, path: str) -> None:
        """Without it a rename may be undone by a loss of power."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as exc:
            if exc.errno not in _NO_FOLDER_SYNC:  # some network file systems have no such thing
                raise
        finally:
            os.close(descriptor)


DISK = Disk()


def check_writable(path: str | Path) -> None:
    """Find out, without writing, whether the file can be replaced or made; a symbolic link is followed.

    Raises:
        ReadOnly: it surely cannot; the message names the file to edit.
    """
    target = os.path.realpath(path)
    _check(path, os.path.dirname(target), target)


def check_removable(path: str | Path) -> None:
    """As `check_writable`, of `remove_file`: a symbolic link goes out of the folder that it lies in."""
    _check(path, os.path.dirname(os.path.abspath(path)), os.path.realpath(path))


def replace_file(path: str | Path, data: bytes, *, expected: bytes, disk: Disk = DISK) -> None:
    """Put `data` in the place of `expected`, durably, keeping the mode and, where that is allowed, the owner. A symbolic link is
    followed: what it leads to is replaced.

    Raises:
        Conflict: the file holds something else than `expected`, or is gone.
        ReadOnly: it cannot be written from here; the message names the file to edit.
        OSError: anything else. Nothing was changed, unless it was the last step, the fsync of the folder: then the new bytes are in
            place, but a power loss may undo that.
    """
    check_writable(path)
    target = os.path.realpath(path)
    temporary = _temporary(target)
    with _refusing(path):
        _expect(path, expected)
        with _short_lived(temporary, disk):
            _write_new(temporary, data, os.stat(target), disk)
            _expect(path, expected)
            if os.path.realpath(path) != target:
                raise Conflict(f"{path} leads to another file than a moment ago; nothing was written. Try again")
            if disk.exchange(temporary, target):
                _put_back_unless(path, temporary, expected, target, disk)
            else:
                _expect(path, expected)  # the exchange may have failed because there is nothing any more
                disk.rename(temporary, target)
    disk.sync_folder(os.path.dirname(target))


def _put_back_unless(path: str | Path, replaced: str, expected: bytes, target: str, disk: Disk) -> None:
    """`replaced` was the target a moment ago. Raises Conflict, and it is the target again, unless it holds `expected`."""
    try:
        _expect(replaced, expected)
    except (Conflict, OSError):  # what cannot be read is not what was read before
        disk.rename(replaced, target)
        raise _changed(path) from None


def create_file(path: str | Path, data: bytes, *, disk: Disk = DISK) -> None:
    """Make a new file, durably. It is never put in the place of another one.

    Raises:
        Conflict: there is something under that name, be it a link that leads nowhere.
        ReadOnly: the folder cannot be written; the message names the file to write.
        OSError: as of `replace_file`.
    """
    folder = os.path.dirname(os.path.abspath(path))
    _check(path, folder)
    temporary = _temporary(os.path.abspath(path))
    with _refusing(path):
        _expect_nothing(path)
        with _short_lived(temporary, disk):
            _write_new(temporary, data, None, disk)
            try:
                disk.link(temporary, os.fspath(path))
            except FileExistsError:
                _expect_nothing(path)
                raise
            except OSError as exc:
                if exc.errno not in _NO_LINKS:
                    raise
                _write_in_place(os.fspath(path), data, disk)
    disk.sync_folder(folder)


def remove_file(path: str | Path, expected: bytes, *, disk: Disk = DISK) -> None:
    """Remove a file that holds `expected`, durably. Of a symbolic link only the link goes: what it leads to lies elsewhere, and may be
    used there.

    Raises:
        Conflict, ReadOnly, OSError: as of `replace_file`.
    """
    check_removable(path)
    with _refusing(path):
        _expect(path, expected)
        disk.unlink(os.fspath(path))
    disk.sync_folder(os.path.dirname(os.path.abspath(path)))


def content(path: str | Path, most: int) -> bytes | None:
    """The first `most` bytes of what the file holds at this moment; None: there is no file.

    Raises:
        Conflict: there is something under that name that is no regular file.
        OSError: it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a named pipe would block
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Conflict(f"{path} is no regular file any more; nothing was written. Put the file back")
        with open(descriptor, "rb", closefd=False) as stream:
            return stream.read(most)
    finally:
        os.close(descriptor)


def _temporary(target: str) -> str:
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{name}.splitter-new")


def _write_new(path: str, data: bytes, like: os.stat_result | None, disk: Disk) -> None:
    """A new file, on the disk when this returns; its mode and owner are those of `like`, or what is usual."""
    descriptor = disk.create(path, 0o666 if like is None else 0o600)
    try:
        if like is not None:
            _make_alike(descriptor, like)
        left = memoryview(data)
        while left:
            left = left[disk.write(descriptor, left) :]
        disk.sync(descriptor)
    finally:
        os.close(descriptor)


def _make_alike(descriptor: int, like: os.stat_result) -> None:
    """As far as it is allowed: only root can give a file away, and others only to a group of theirs."""
    own = os.fstat(descriptor)
    if own.st_uid != like.st_uid:
        with suppress(OSError):
            os.fchown(descriptor, like.st_uid, -1)
    if own.st_gid != like.st_gid:
        with suppress(OSError):
            os.fchown(descriptor, -1, like.st_gid)
    with suppress(OSError):  # some file systems have no modes
        os.fchmod(descriptor, stat.S_IMODE(like.st_mode) & 0o777)


def _write_in_place(path: str, data: bytes, disk: Disk) -> None:
    """For file systems without links (FAT, some network ones): a crash can leave half of the file, an error cannot."""
    try:
        _write_new(path, data, None, disk)
    except FileExistsError:
        _expect_nothing(path)
        raise
    except OSError:
        with suppress(OSError):
            disk.unlink(path)
        raise


@contextmanager
def _short_lived(path: str, disk: Disk) -> Iterator[None]:
    """Under that name there is nothing before and nothing after, whatever happens but a kill."""
    with suppress(FileNotFoundError):
        disk.unlink(path)
    try:
        yield
    finally:
        with suppress(OSError):  # it may have been renamed
            disk.unlink(path)


# --- why not ------------------------------------------------------------------------------------------------------------------


@contextmanager
def _refusing(path: str | Path) -> Iterator[None]:
    """What the system refuses as a matter of principle is ReadOnly."""
    try:
        yield
    except OSError as exc:
        if exc.errno in _REFUSALS:
            raise _read_only(path, _REFUSALS[exc.errno]) from exc
        raise


def _read_only(path: str | Path, reason: str) -> ReadOnly:
    return ReadOnly(f"{path} cannot be changed from here: {reason}. Edit {path} by hand where it comes from; splitter takes up the change")


def _check(path: str | Path, folder: str, file: str | None = None) -> None:
    """Whether a file and its folder can be written. Raises ReadOnly of `path`."""
    for parent in {*Path(os.path.abspath(path)).parents, *Path(os.path.realpath(path)).parents}:
        # A kubelet replaces the whole volume by moving the link `..data`; what is written there is lost.
        if os.path.lexists(parent / "..data"):
            raise _read_only(path, "it lies in a volume that Kubernetes fills, from a ConfigMap for example")
    # A folder is opened for its fsync once everything is done, which is no time to find that it cannot be read.
    for place, access in ((file, os.W_OK), (folder, os.R_OK | os.W_OK | os.X_OK)):
        if place is None or not os.path.exists(place):
            continue
        # Root may write everything, but who takes every write bit away means it.
        if not os.stat(place).st_mode & 0o222 or not os.access(place, access):
            raise _read_only(path, f"{place} is not writable")


def _expect(path: str | Path, expected: bytes) -> None:
    found = content(path, len(expected) + 1)
    if found is None:
        raise Conflict(f"{path} has been removed since it was read; nothing was written")
    if found != expected:
        raise _changed(path)


def _changed(path: str | Path) -> Conflict:
    return Conflict(f"{path} has changed since it was read; nothing was written. Look at the change, then try again")


def _expect_nothing(path: str | Path) -> None:
    if os.path.lexists(path):
        raise Conflict(f"{path} is there already; nothing was written. Rename or remove it, or give the endpoint another name")
