from __future__ import annotations

import errno
import fcntl
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from splitter.errors import StartError
from splitter.supervisor.estate import Estate
from splitter.supervisor.handover import VARIABLE, Line, inherited_handover, start_successor
from splitter.supervisor.intervals import Intervals
from splitter.supervisor.lock import Holder, StateLock, holder
from splitter.supervisor.upgrade import Upgrade

SUCCESSOR = """
import json, os, sys
from splitter.supervisor.handover import inherited_handover
environ = dict(os.environ)
handover = inherited_handover(environ, sys.argv[1])
estate = handover.estate
assert not any(os.get_inheritable(thing.fileno()) for thing in (handover.line.sock, estate.listener, estate.control_listener, estate.lock))
handover.line.say(json.dumps([
    handover.pid, estate.is_ours, estate.address, estate.folder, estate.control_listener.getsockname(),
    sorted(name for name in environ if name.startswith("LISTEN_")), sorted(map(int, os.listdir("/proc/self/fd")))[:-1],
]))
assert sys.stdin.read() == ""
if sys.argv[2] == "take":
    estate.take()
estate.close()
"""


@pytest.fixture
def estate(folder: Path) -> Iterator[Estate]:
    (folder / "private").mkdir()
    control = socket.socket(socket.AF_UNIX)
    control.bind(str(folder / "private" / "c"))
    control.listen()
    made = Estate(StateLock(str(folder / "state")), socket.create_server(("127.0.0.1", 0)), control, str(folder / "private"))
    made.take()
    yield made
    made.close()


@pytest.mark.parametrize("ends", ["take", "leave"])
def test_everything_is_handed_over_and_cleared_away_by_whose_it_is(
    estate: Estate, folder: Path, ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    state = str(folder / "state")
    before = holder(state)
    command = (sys.executable, "-c", SUCCESSOR, state, ends)
    read, write = os.pipe()
    with os.fdopen(read) as stdin:
        saved = os.dup(0)
        os.dup2(stdin.fileno(), 0)
        try:
            process, pidfd, line = start_successor(command, estate)
        finally:
            os.dup2(saved, 0)
            os.close(saved)
    os.close(pidfd)
    with closing(line.sock), process:
        line.sock.setblocking(True)
        pid, is_ours, address, place, control, listen, fds = json.loads(line.hear()[0])
        assert (pid, is_ours, address, place) == (os.getpid(), False, estate.address, str(folder / "private"))
        assert control == estate.control_listener.getsockname()
        assert listen == []
        assert len(fds) == 3 + 4, "standard ones, the line, the listeners and the lock"
        assert holder(state) == before
        os.close(write)
        assert process.wait(10) == 0
    assert (folder / "private").exists() == (ends == "leave")
    # The lock is held as long as either has it: by us.
    with open(folder / "state" / "lock") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if ends == "leave":
        assert holder(state) == before == Holder(os.getpid(), estate.address, estate.folder)


def test_who_has_left_it_clears_nothing_away(estate: Estate, folder: Path) -> None:
    text = (folder / "state" / "lock").read_text()
    other = Estate(StateLock.inherited(os.dup(estate.lock.fileno()), str(folder / "state")), estate.listener.dup(),
                   estate.control_listener.dup(), estate.folder, is_ours=False)  # fmt: skip
    other.close()
    assert (folder / "private" / "c").exists()
    assert (folder / "state" / "lock").read_text() == text
    assert holder(str(folder / "state")) is not None
    with socket.create_connection(estate.listener.getsockname()):
        pass


def test_nothing_is_handed_over_in_an_ordinary_start(folder: Path) -> None:
    assert inherited_handover({}, str(folder)) is None


def test_another_format_is_refused(folder: Path) -> None:
    with pytest.raises(StartError, match=r"hands over in format 2, and this one knows 1\. End it and start this one"):
        inherited_handover({VARIABLE: '{"format": 2, "rest": "unknown"}'}, str(folder))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "line": 9999, "listener": 9999, "control": 9999}'])
def test_what_is_no_handover_is_refused(folder: Path, text: str) -> None:
    with pytest.raises(StartError, match=f"{VARIABLE} is not what a running splitter hands over"):
        inherited_handover({VARIABLE: text}, str(folder))


def test_the_state_must_be_the_same(estate: Estate, folder: Path) -> None:
    other = StateLock(str(folder / "other"))
    lock = os.dup(estate.lock.fileno())
    with pytest.raises(StartError, match=r"other is not the one that the running splitter uses.*end splitter and start it again"):
        StateLock.inherited(lock, str(folder / "other"))
    with pytest.raises(StartError, match="nowhere cannot be used: No such file"):
        StateLock.inherited(lock, str(folder / "nowhere"))
    os.close(lock)
    other.close()


def test_words_come_whole_and_in_order_whatever_the_pieces(folder: Path) -> None:
    ours, theirs = socket.socketpair()
    line = Line(ours)
    with closing(ours), theirs:
        assert line.hear() == []
        for piece, words in ((b"one\ntw", ["one"]), (b"o\n", ["two"]), (b"three\nfour\n", ["three", "four"])):
            theirs.send(piece)
            assert line.hear() == words
        line.say("five")
        assert theirs.recv(100) == b"five\n"
    assert not line.closed


def test_a_line_without_an_end_is_closed() -> None:
    ours, theirs = socket.socketpair()
    line = Line(ours)
    with closing(ours), theirs:
        for _ in range(3):
            theirs.send(b"x" * 1000)
            assert line.hear() == []
        assert line.closed


def test_the_end_of_the_other_is_seen_and_harms_nobody() -> None:
    ours, theirs = socket.socketpair()
    line = Line(ours)
    with closing(ours):
        theirs.close()
        line.say("anybody?")
        assert line.hear() == []
        assert line.closed


def test_a_command_that_cannot_be_run_leaves_nothing_open(estate: Estate) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match="no/such/program"):
        start_successor(("/no/such/program",), estate)
    assert os.listdir("/proc/self/fd") == before


def test_one_that_cannot_be_watched_is_not_left_behind(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(pid: int) -> int:
        started.append(pid)
        raise OSError(errno.EMFILE, "no descriptor is left")

    started: list[int] = []
    monkeypatch.setattr(os, "pidfd_open", refused)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match="no descriptor"):
        start_successor((sys.executable, "-c", "import time; time.sleep(60)"), estate)
    assert os.listdir("/proc/self/fd") == before
    assert not os.path.exists(f"/proc/{started[0]}")


class _Around:
    """The crew and the supervisor of an upgrade: what it waits for, and what it has asked of them."""

    def __init__(self) -> None:
        self.calls: dict[socket.socket | int, Callable[[], None]] = {}
        self.asked: list[str] = []

    def watch(self, source: socket.socket | int, call: Callable[[], None]) -> None:
        self.calls[source] = call

    def unwatch(self, source: socket.socket | int) -> None:
        del self.calls[source]

    def retire_control(self) -> None:
        self.asked.append("retire control")

    def restore_control(self) -> None:
        self.asked.append("restore control")

    def retire(self) -> None:
        self.asked.append("retire")


PUNCTUAL_AT_LAST = """
import json, os, socket, time
socket.socket(fileno=json.loads(os.environ["SPLITTER_HANDOVER"])["line"]).send(b"prepared\\nready\\n")
time.sleep(60)
"""


def test_what_a_successor_said_before_it_was_killed_for_being_late_does_not_count(estate: Estate) -> None:
    """It is dead, or will be in a moment: who retired in its favour would leave nobody."""
    around = _Around()
    upgrade = Upgrade((sys.executable, "-c", PUNCTUAL_AT_LAST), estate, Intervals(), around, around)  # type: ignore[arg-type]
    upgrade.begin("")
    pidfd, line = around.calls
    assert select.select([line], [], [], 20)[0]
    upgrade.look(upgrade.deadline)
    around.calls[line]()
    assert not upgrade.is_done
    assert select.select([pidfd], [], [], 20)[0]
    around.calls[pidfd]()
    assert around.asked == ["retire control", "restore control"]
    assert not upgrade.is_pending
    assert not around.calls


def test_it_knows_no_more_than_the_standard_library() -> None:
    look = (
        "import sys, splitter.supervisor\n"
        "ours = {'aiohttp', 'yaml', 'click', 'orjson', 'uvloop', 'httptools'}\n"
        "print(sorted(ours & set(sys.modules)), [name for name in sys.modules if name.startswith('splitter.c')])"
    )
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout
    assert said == "[] ['splitter.channel']\n"
