"""The thread that writes, on real files, FIFOs and pipes. Every wait is bounded."""

from __future__ import annotations

import fcntl
import json
import os
import queue
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from splitter.errors import StartError
from splitter.telemetry import log_file
from splitter.telemetry.log_file import LogFile, check, open_log

BOUND_S = 10.0


class Written:
    """Hears how many lines of each batch were written."""

    def __init__(self) -> None:
        self._counts: queue.Queue[int] = queue.Queue()

    def __call__(self, count: int) -> None:
        self._counts.put(count)

    def next(self) -> int:
        return self._counts.get(timeout=BOUND_S)

    def nothing_yet(self) -> bool:
        return self._counts.empty()


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    deadline = monotonic() + BOUND_S
    while [thread for thread in threading.enumerate() if thread.name == "access log"]:
        assert monotonic() < deadline
        sleep(0.005)


def read_some(fd: int) -> bytes:
    readable, _, _ = select.select([fd], [], [], BOUND_S)
    assert readable, "nothing came"
    return os.read(fd, 1 << 20)


def filled(fd: int) -> bytes:
    """Fill a pipe; returns what is in it."""
    size = fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
    os.set_blocking(fd, False)
    text = b"x" * (size - 1) + b"\n"
    assert os.write(fd, text) == size
    return text


def test_lines_are_appended(tmp_path: Path, written: Written) -> None:
    path = tmp_path / "access.log"
    path.write_text("before\n")
    log = LogFile(str(path), written)
    log.write(b"one\ntwo\n")
    assert written.next() == 2
    log.write(b"three\n")
    log.close()
    assert written.next() == 1
    assert path.read_text() == "before\none\ntwo\nthree\n"


def test_a_new_file_is_not_for_everybody(tmp_path: Path) -> None:
    os.close(open_log(str(tmp_path / "new.log")))
    assert (tmp_path / "new.log").stat().st_mode & 0o7777 in (0o640, 0o600)


def test_a_file_that_was_moved_is_left_at_once(tmp_path: Path, written: Written) -> None:
    path = tmp_path / "access.log"
    log = LogFile(str(path), written)
    log.write(b"old\n")
    assert written.next() == 1
    path.rename(tmp_path / "moved.log")
    log.write(b"still old\n")
    log.reopen()
    log.write(b"new\n")
    log.close()
    assert (written.next(), written.next()) == (1, 1)
    # The second batch may have been written before or after the new file was there, and is whole in either.
    texts = [(tmp_path / "moved.log").read_text(), path.read_text()]
    assert texts in (["old\nstill old\n", "new\n"], ["old\n", "still old\nnew\n"])


def test_a_file_that_cannot_be_opened_again(tmp_path: Path, written: Written, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = LogFile(str(folder / "access.log"), written)
    folder.rename(tmp_path / "moved")
    for batch in (b"one\n", b"two\n"):
        log.reopen()
        log.write(batch)
        assert written.next() == 1
    assert (tmp_path / "moved" / "access.log").read_bytes() == b"one\ntwo\n", "the old one goes on"
    (said,) = {record.getMessage() for record in caplog.records}
    assert said == f"the access log {folder}/access.log cannot be opened (No such file or directory): lines go on into the old file"
    folder.mkdir()
    log.reopen()
    log.write(b"three\n")
    log.close()
    assert written.next() == 1
    assert (folder / "access.log").read_bytes() == b"three\n"


def test_a_file_that_cannot_be_opened_is_tried_again(
    tmp_path: Path, written: Written, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "logs"
    log = LogFile(str(folder / "access.log"), written)
    log.write(b"lost\n")
    assert written.next() == 0
    assert "lines are lost until it can" in caplog.text
    folder.mkdir()
    monkeypatch.setattr(log_file, "TRY_AGAIN_S", 0.0)
    log.write(b"one\n")
    log.close()
    assert written.next() == 1
    assert (folder / "access.log").read_bytes() == b"one\n"


def test_a_disk_that_is_full(written: Written, caplog: pytest.LogCaptureFixture) -> None:
    log = LogFile("/dev/full", written)
    for _ in range(3):
        log.write(b"one\ntwo\n")
        assert written.next() == 0
    log.close()
    assert [record.getMessage() for record in caplog.records] == [
        "the access log /dev/full cannot be written (No space left on device): lines are lost until it can"
    ], "once"


def test_a_line_that_is_cut_short_is_written_again(tmp_path: Path, written: Written) -> None:
    """In a process of its own, whose files may have 30 bytes at first."""
    path = tmp_path / "access.log"
    script = (
        "import queue, resource, sys\n"
        "from splitter.telemetry.log_file import LogFile\n"
        "counts = queue.Queue()\n"
        "log = LogFile(sys.argv[1], counts.put)\n"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30, hard))\n"
        "log.write(b'first line\\nsecond line\\nthird line\\nfourth line\\n')\n"
        "print(counts.get(timeout=10))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
        "log.write(b'third line\\nfourth line\\n')\n"
        "print(counts.get(timeout=10))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=30, check=True)
    assert ran.stdout == "2\n2\n"
    assert "File too large" in ran.stderr
    assert path.read_text() == "first line\nsecond line\nthird l\nthird line\nfourth line\n"


def test_a_fifo_without_a_reader_is_waited_for(tmp_path: Path, written: Written) -> None:
    path = tmp_path / "access.fifo"
    os.mkfifo(path)
    log = LogFile(str(path), written)
    log.write(b"one\n")
    assert written.next() == 1, "it is in the pipe"
    reader = os.open(path, os.O_RDONLY)
    assert read_some(reader) == b"one\n"
    os.close(reader)
    log.write(b"two\n")
    assert written.next() == 1, "a reader that has ended breaks nothing"
    log.close()


def test_a_full_pipe_waits_in_pieces_of_whole_lines(tmp_path: Path, written: Written) -> None:
    path = tmp_path / "access.fifo"
    os.mkfifo(path)
    log = LogFile(str(path), written)
    reader = os.open(path, os.O_RDWR)
    before = filled(reader)
    lines = [f"{number:05}{'.' * (number % 3000)}\n".encode() for number in range(0, 9000, 7)]
    log.write(b"".join(lines))
    sleep(2 * log_file.LOOK_S)
    assert written.nothing_yet()
    came = b""
    while len(came) < len(before) + sum(map(len, lines)):
        came += read_some(reader)
    assert came == before + b"".join(lines)
    assert written.next() == len(lines)
    os.close(reader)
    log.close()


def test_a_fifo_that_nobody_reads_gives_way_to_a_file(tmp_path: Path, written: Written) -> None:
    path = tmp_path / "access.log"
    os.mkfifo(path)
    log = LogFile(str(path), written)
    reader = os.open(path, os.O_RDWR)
    filled(reader)
    log.write(b"one\n")
    path.rename(tmp_path / "moved")
    log.reopen()
    assert written.next() == 1
    os.close(reader)
    assert path.read_bytes() == b"one\n"
    log.close()


def test_the_end_does_not_wait_for_a_reader(tmp_path: Path, written: Written) -> None:
    path = tmp_path / "access.fifo"
    os.mkfifo(path)
    log = LogFile(str(path), written)
    reader = os.open(path, os.O_RDWR)
    filled(reader)
    log.write(b"one\ntwo\n")
    log.close()
    assert written.next() == 0
    os.close(reader)


def test_standard_output(written: Written) -> None:
    script = (
        "import os, queue, sys\n"
        "from splitter.telemetry.log_file import LogFile\n"
        "counts = queue.Queue()\n"
        "log = LogFile('-', counts.put)\n"
        "log.write(b'one\\ntwo\\n')\n"
        "log.reopen()\n"
        "log.write(b'three\\n')\n"
        "print(counts.get(timeout=10), counts.get(timeout=10), file=sys.stderr)\n"
        "assert os.get_blocking(1), 'others write there too'\n"
        "log.close()\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert (ran.stdout, ran.stderr) == ("one\ntwo\nthree\n", "2 1\n")


def test_standard_output_whose_reader_has_ended(written: Written) -> None:
    script = (
        "import queue, sys\n"
        "from splitter.telemetry.log_file import LogFile\n"
        "counts = queue.Queue()\n"
        "log = LogFile('-', counts.put)\n"
        "log.write(b'one\\n')\n"
        "print(counts.get(timeout=10), file=sys.stderr)\n"
    )
    ours, theirs = os.pipe()
    os.close(ours)
    ran = subprocess.run([sys.executable, "-c", script], stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=30, check=True)
    os.close(theirs)
    assert ran.stderr == "the access log on standard output cannot be written (Broken pipe): lines are lost until it can\n0\n"


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_lines_of_several_processes_do_not_mix(tmp_path: Path, kind: str) -> None:
    """Each writes batches of lines of many lengths, up to the longest that there may be."""
    path = tmp_path / "access.log"
    script = (
        "import json, queue, sys\n"
        "from splitter.telemetry.log_file import LogFile\n"
        "path, me = sys.argv[1:]\n"
        "counts = queue.Queue()\n"
        "log = LogFile(path, counts.put)\n"
        "for batch in range(40):\n"
        "    lines = [json.dumps([me, batch * 50 + i, 'x' * (997 * (batch * 50 + i) % 3900)]) + '\\n' for i in range(50)]\n"
        "    log.write(''.join(lines).encode())\n"
        "    assert counts.get(timeout=30) == 50\n"
    )
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.touch()
    reader = os.open(path, os.O_RDWR)
    writers = [subprocess.Popen([sys.executable, "-c", script, str(path), str(number)]) for number in range(4)]
    came = b""
    while any(writer.poll() is None for writer in writers):
        if kind == "pipe" and select.select([reader], [], [], 0.01)[0]:
            came += os.read(reader, 1 << 16)
        else:
            sleep(0.01)
    assert [writer.returncode for writer in writers] == [0] * 4
    os.set_blocking(reader, False)
    while more := _read_or_nothing(reader):
        came += more
    os.close(reader)
    said = [json.loads(line) for line in came.splitlines()]
    for number in range(4):
        mine = [entry for entry in said if entry[0] == str(number)]
        assert [entry[1] for entry in mine] == list(range(2000)), "each once, in order"
    assert len(said) == 8000


def _read_or_nothing(fd: int) -> bytes:
    try:
        return os.read(fd, 1 << 20)
    except BlockingIOError:
        return b""


def test_what_cannot_be_opened_is_said_at_the_start(tmp_path: Path) -> None:
    check(str(tmp_path / "access.log"))
    with pytest.raises(StartError) as no_folder:
        check(str(tmp_path / "none" / "access.log"))
    assert no_folder.value.message == (
        f"the access log {tmp_path}/none/access.log cannot be opened: its folder does not exist. "
        "Name a file that this user may write, with --access-log, or - for standard output"
    )
    with pytest.raises(StartError, match="Is a directory"):
        check(str(tmp_path))
