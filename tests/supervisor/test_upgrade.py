"""USR2: two supervisors as processes, with children that do what the test says. So every moment of an upgrade can be held."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from splitter import shared_memory
from splitter.channel import Kind
from splitter.supervisor.intervals import Intervals
from splitter.supervisor.lock import Holder, holder
from splitter.supervisor.upgrade import Upgrade, same_command
from tests.supervisor.stage import BOUND_S, Hand, Stage

Stages = Callable[..., Stage]


def port_of(control: Hand) -> int:
    return int(control.start["address"].rpartition(":")[2])


def held_by(stage: Stage) -> Holder | None:
    return holder(stage.settings.state_dir)


def pid_of_holder(stage: Stage) -> int | None:
    held = held_by(stage)
    return None if held is None else held.pid


def until(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + BOUND_S
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def ended(pid: int) -> None:
    until(lambda: not is_running(pid))


def taken_over(stage: Stage) -> tuple[Hand, list[Hand], Hand, list[Hand]]:
    """(control plane, workers) of the old one, and of the new one, which has taken over. Nobody is quiet yet."""
    old_control, old = stage.serving()
    control, workers = stage.upgrade()
    stage.prepared(control, workers)
    old_control.frame(Kind.RETIRE)
    old_control.order(exit=0)
    stage.ready(control, workers)
    for worker in old:
        worker.frame(Kind.RETIRE)
    stage.line("has taken over; this one")
    return old_control, old, control, workers


# --- the way from one to the other ----------------------------------------------------------------------------------------------


def test_each_step_waits_for_the_one_before(stages: Stages) -> None:
    stage = stages()
    old_control, old = stage.serving()
    old_holder = held_by(stage)
    assert old_holder is not None
    assert old_holder.pid == stage.process.pid
    control, workers = stage.upgrade()
    (new,) = stage.successors

    control.send(Kind.BEAT)
    workers[0].set_word(stage.layout.worker(0) + shared_memory.PID, workers[0].pid)
    for pid, told in ((new, control), (stage.process.pid, old_control)):
        for _ in range(3):  # so that it has turned since, and was heard
            os.kill(pid, signal.SIGHUP)
            told.frame(Kind.RELOAD)  # and not RETIRE: a worker of the new one does not run yet
    stage.prepared(control, workers)
    old_control.frame(Kind.RETIRE)
    for worker in old:
        worker.order(read=stage.layout.worker(worker.stripe) + shared_memory.ACCEPTING)
        assert worker.next() == {"kind": "word", "value": 1}  # it was told nothing
    assert held_by(stage) == old_holder
    old_control.order(exit=0)
    stage.ready(control, workers)
    assert control.frame(Kind.HELD)[0] == 1
    for worker in old:
        worker.frame(Kind.RETIRE)
    assert f"(pid {new}) has taken over; this one (pid {stage.process.pid}) finishes" in stage.line("has taken over")
    until(lambda: held_by(stage) == Holder(new, control.start["address"], old_holder.folder))
    assert old[0].word(shared_memory.READY) == 1, "who asks an old worker for its health is not to be told of a drain"
    assert old[0].word(shared_memory.DRAINING) == 0

    old[0].send(Kind.QUIET)
    os.kill(new, signal.SIGHUP)
    control.frame(Kind.RELOAD)  # and not ALONE: the other one still takes requests
    old[1].send(Kind.QUIET)
    control.frame(Kind.ALONE)
    for worker in old:
        worker.order(exit=0)
    assert stage.exit_code() == 0
    assert Path(old_holder.folder).exists()
    for worker in workers:  # they know the same socket
        assert worker.start["control_socket"] == old[0].start["control_socket"]
    os.kill(new, signal.SIGTERM)
    for child in [*workers, control]:
        child.frame(Kind.DRAIN)
        child.order(exit=0)
    ended(new)
    assert not Path(old_holder.folder).exists()
    assert held_by(stage) is None


def test_the_queue_of_the_listener_is_never_lost(stages: Stages) -> None:
    """No puppet accepts: a connection that is made in each of the steps is still in the queue at the end of all."""
    stage = stages(workers=1)
    old_control, (old,) = stage.serving()
    clients = []

    def come() -> None:
        clients.append(socket.create_connection(("127.0.0.1", port_of(old_control)), timeout=BOUND_S))

    come()
    control, workers = stage.upgrade()
    come()
    stage.prepared(control, workers)
    old_control.frame(Kind.RETIRE)
    old_control.order(exit=0)
    come()
    stage.ready(control, workers)
    old.frame(Kind.RETIRE)
    come()
    old.send(Kind.QUIET)
    control.frame(Kind.HELD)
    control.frame(Kind.ALONE)
    old.order(exit=0)
    assert stage.exit_code() == 0
    come()
    for client in clients:
        client.setblocking(False)
        with pytest.raises(BlockingIOError):  # neither an end nor a reset
            client.recv(1)
        client.close()


def test_calls_to_the_control_plane_wait_in_one_queue_for_both(stages: Stages) -> None:
    stage = stages(workers=1)
    old_control, (old,) = stage.serving()
    control, workers = stage.upgrade()
    with socket.socket(socket.AF_UNIX) as call:
        call.connect(old.start["control_socket"])
        stage.prepared(control, workers)
        old_control.frame(Kind.RETIRE)
        old_control.order(exit=0)
        stage.ready(control, workers)
        old.frame(Kind.RETIRE)
        old.order(exit=0)
        assert stage.exit_code() == 0
        call.setblocking(False)
        with pytest.raises(BlockingIOError):
            call.recv(1)


def test_several_one_after_the_other(stages: Stages) -> None:
    stage = stages(workers=1)
    _, (old,), control, workers = taken_over(stage)
    old.order(exit=0)
    assert stage.exit_code() == 0
    control.frame(Kind.HELD)
    control.frame(Kind.ALONE)
    for _ in range(2):
        first = stage.successors[-1]
        os.kill(first, signal.SIGUSR2)
        second = stage.started_successor()
        arrived = [stage.come(), stage.come()]
        next_control = next(hand for hand in arrived if hand.role == "control")
        assert next_control.frame(Kind.START) == (0, "wait")
        next_workers = [hand for hand in arrived if hand.role == "worker"]
        stage.prepared(next_control, next_workers)
        control.frame(Kind.RETIRE)
        control.order(exit=0)
        stage.ready(next_control, next_workers)
        workers[0].frame(Kind.RETIRE)
        workers[0].order(exit=0)
        ended(first)
        next_control.frame(Kind.HELD)
        next_control.frame(Kind.ALONE)
        assert pid_of_holder(stage) == second
        control, workers = next_control, next_workers


# --- it does not come to it -----------------------------------------------------------------------------------------------------


def goes_on(stage: Stage, control: Hand, workers: list[Hand], revision: int) -> None:
    """The old one takes changes as before."""
    control.send(Kind.PUBLISH_CHANGE, revision, b"more")
    for worker in workers:
        assert worker.frame(Kind.SNAPSHOT) == (revision, "more")
        worker.send(Kind.ACKNOWLEDGE, revision)
    assert control.frame(Kind.HELD)[0] == revision
    assert pid_of_holder(stage) == stage.process.pid
    socket.create_connection(("127.0.0.1", port_of(control))).close()


def test_one_that_ends_before_it_is_prepared_leaves_everything_as_it_was(stages: Stages) -> None:
    stage = stages()
    old_control, old = stage.serving()
    control, workers = stage.upgrade()
    os.kill(stage.successors[0], signal.SIGKILL)
    assert "ended by SIGKILL before it was ready; this one goes on as before" in stage.line("the new splitter")
    for child in [control, *workers]:
        assert child.next() == {"kind": "EOF"}
    goes_on(stage, old_control, old, 2)


def test_one_whose_worker_ends_gives_up_at_once(stages: Stages) -> None:
    stage = stages()
    old_control, old = stage.serving()
    control, workers = stage.upgrade()
    workers[1].order(exit=3)
    stage.line(f"worker 1 (pid {workers[1].pid}) ended with status 3 before this splitter could take over")
    assert "ended with status 1 before it was ready" in stage.line("the new splitter")
    control.frame(Kind.WORKER_DIED)
    for child in [control, workers[0]]:  # not killed: it may have taken connections already
        assert child.next() == {"kind": "EOF"}
    goes_on(stage, old_control, old, 2)


def test_one_that_fails_with_the_state_gives_it_back(stages: Stages) -> None:
    stage = stages()
    old_control, old = stage.serving()
    control, workers = stage.upgrade()
    stage.prepared(control, workers)
    old_control.frame(Kind.RETIRE)
    old_control.order(exit=0)
    ended(old_control.pid)
    control.send(Kind.FATAL, 0, b"error: what is this?")
    stage.line("error: what is this?")
    stage.line("ended with status 1 before it was ready; this one goes on as before")
    old_control = stage.come()
    assert old_control.frame(Kind.START) == (1, "")
    old_control.send(Kind.PUBLISH_FULL, 2, b"again")
    for worker in old:
        assert worker.frame(Kind.SNAPSHOT) == (2, "again")
        worker.send(Kind.ACKNOWLEDGE, 2)
    assert old_control.frame(Kind.HELD)[0] == 2
    goes_on(stage, old_control, old, 3)


def test_one_that_is_late_is_killed(stages: Stages) -> None:
    stage = stages(intervals={"upgrade": 1.5})
    old_control, old = stage.serving()
    began = time.monotonic()
    control, workers = stage.upgrade()
    stage.prepared(control, workers)
    old_control.frame(Kind.RETIRE)
    old_control.order(exit=0)
    assert "was not ready within 1.5 s and was killed; this one goes on as before" in stage.line("the new splitter")
    assert time.monotonic() - began > 1.3
    ended(stage.successors[0])
    assert stage.come().frame(Kind.START) == (1, "")
    for worker in old:
        assert worker.word(stage.layout.worker(worker.stripe) + shared_memory.ACCEPTING) == 1


def test_a_control_plane_that_does_not_let_go_of_the_state_is_killed(stages: Stages) -> None:
    stage = stages(intervals={"leave_state": 0.2})
    old_control, old = stage.serving()
    control, workers = stage.upgrade()
    stage.prepared(control, workers)
    old_control.frame(Kind.RETIRE)
    stage.line(f"control plane (pid {old_control.pid}) did not end in time; it is killed")
    stage.ready(control, workers)
    old[0].frame(Kind.RETIRE)


def test_a_control_plane_that_dies_meanwhile_is_replaced_only_if_it_is_needed(stages: Stages) -> None:
    stage = stages(workers=1)
    old_control, (old,) = stage.serving()
    control, workers = stage.upgrade()
    os.kill(old_control.pid, signal.SIGKILL)
    stage.line("control plane")
    old_control = stage.come()  # the new one is not prepared yet
    assert old_control.frame(Kind.START) == (1, "")
    stage.prepared(control, workers)
    old_control.frame(Kind.RETIRE)
    os.kill(old_control.pid, signal.SIGKILL)
    stage.line("ended by SIGKILL")
    stage.ready(control, workers)
    old.frame(Kind.RETIRE)
    old.order(exit=0)
    assert stage.exit_code() == 0


def test_an_old_worker_that_dies_meanwhile_is_replaced(stages: Stages) -> None:
    stage = stages()
    old_control, (first, second) = stage.serving()
    control, workers = stage.upgrade()
    stage.prepared(control, workers)
    old_control.frame(Kind.RETIRE)
    os.kill(first.pid, signal.SIGKILL)
    replacement = stage.come()
    assert replacement.frame(Kind.SNAPSHOT) == (1, "one")
    stage.accept(replacement, 1)
    old_control.order(exit=0)
    stage.ready(control, workers)
    for worker in (replacement, second):
        worker.frame(Kind.RETIRE)


def test_a_worker_that_does_not_come_to_rest_is_killed_so_that_changes_can_go_on(stages: Stages) -> None:
    stage = stages(workers=1, intervals={"quiet": 0.2})
    _, (old,), control, _ = taken_over(stage)
    stage.line(f"worker 0 (pid {old.pid}) still takes requests 0.2 s after it was told to retire; it is killed")
    control.frame(Kind.HELD)
    control.frame(Kind.ALONE)
    assert stage.exit_code() == 0


def test_a_worker_that_says_it_is_quiet_without_being_asked_is_killed(stages: Stages) -> None:
    stage = stages(workers=1)
    _, (worker,) = stage.serving()
    worker.send(Kind.QUIET)
    stage.line(f"worker 0 (pid {worker.pid}) sent what it may not send (a QUIET frame")


# --- the old one dies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["started", "prepared", "retired"])
def test_a_new_one_goes_on_alone_when_the_old_one_is_killed(stages: Stages, step: str) -> None:
    stage = stages(workers=1)
    old_control, (old,) = stage.serving()
    control, workers = stage.upgrade()
    (new,) = stage.successors
    if step != "started":
        stage.prepared(control, workers)
        old_control.frame(Kind.RETIRE)
    if step == "retired":
        old_control.order(exit=0)
    stage.process.kill()
    assert old.next() == {"kind": "EOF"}
    control.frame(Kind.ALONE)
    until(lambda: pid_of_holder(stage) == new)
    stage.ready(control, workers)
    assert control.frame(Kind.HELD)[0] == 1
    stage.until_ready(control)
    socket.create_connection(("127.0.0.1", port_of(control))).close()
    # From here on it is like any other: what dies is replaced.
    os.kill(workers[0].pid, signal.SIGKILL)
    assert stage.come().frame(Kind.SNAPSHOT) == (1, "one")


def test_an_old_one_that_is_killed_while_it_finishes_frees_the_new_one(stages: Stages) -> None:
    stage = stages(workers=1)
    _, (old,), control, _ = taken_over(stage)
    stage.process.kill()
    assert old.next() == {"kind": "EOF"}
    control.frame(Kind.HELD)
    control.frame(Kind.ALONE)


# --- TERM -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["started", "prepared", "retired"])
def test_term_before_it_has_taken_over_ends_both(stages: Stages, step: str) -> None:
    stage = stages(workers=1)
    old_control, (old,) = stage.serving()
    folder = Path(old.start["control_socket"]).parent
    control, (worker,) = stage.upgrade()
    (new,) = stage.successors
    if step != "started":
        stage.prepared(control, [worker])
        old_control.frame(Kind.RETIRE)
    if step == "retired":
        old_control.order(exit=0)
        ended(old_control.pid)
    stage.signal(signal.SIGTERM)
    for child in [worker, control]:
        child.frame(Kind.DRAIN)
        child.order(exit=0)
    stage.line(f"the splitter before this one (pid {stage.process.pid}) was told to end: draining")
    ended(new)
    assert stage.process.poll() is None
    for child in [old, old_control]:
        if child is old or step != "retired":
            child.frame(Kind.DRAIN)
            child.order(exit=0)
    assert stage.exit_code() == 0
    assert not folder.exists()
    assert held_by(stage) is None


def test_term_to_either_once_it_has_taken_over_ends_both_and_the_new_one_last(stages: Stages) -> None:
    stage = stages(workers=1)
    _, (old,), control, (worker,) = taken_over(stage)
    (new,) = stage.successors
    control.frame(Kind.HELD)
    stage.signal(signal.SIGTERM)
    for child in [worker, control]:
        child.frame(Kind.DRAIN)
        child.order(exit=0)
    ended(control.pid)
    time.sleep(0.1)  # it would have ended by now
    assert is_running(new)
    old.order(exit=0)
    assert stage.exit_code() == 0
    ended(new)
    assert held_by(stage) is None


def test_the_new_one_does_not_wait_for_ever(stages: Stages) -> None:
    stage = stages(workers=1, drain_s=0.3, intervals={"drain_margin": 0.0, "control_end": 0.1})
    _, _, control, (worker,) = taken_over(stage)
    (new,) = stage.successors
    os.kill(stage.process.pid, signal.SIGSTOP)
    os.kill(new, signal.SIGTERM)
    for child in [worker, control]:
        child.gone()
    ended(new)


def test_a_second_term_ends_at_once(stages: Stages) -> None:
    stage = stages(workers=1)
    old_control, (old,) = stage.serving()
    stage.upgrade()
    stage.signal(signal.SIGTERM)
    old_control.frame(Kind.DRAIN)
    stage.signal(signal.SIGTERM)
    assert stage.exit_code() == 143
    old.gone()
    ended(stage.successors[0])


# --- refusals -------------------------------------------------------------------------------------------------------------------


def test_before_it_is_ready_there_is_nothing_to_hand_over(stages: Stages) -> None:
    stage = stages()
    stage.cast()
    stage.signal(signal.SIGUSR2)
    stage.line("SIGUSR2 is refused: this splitter is not ready yet")


def test_in_a_drain_there_is_none(stages: Stages) -> None:
    stage = stages()
    control, _ = stage.serving()
    stage.signal(signal.SIGTERM)
    control.frame(Kind.DRAIN)
    stage.signal(signal.SIGUSR2)
    stage.line("SIGUSR2 is refused: this splitter is ending")


def test_without_a_command_there_is_none(stages: Stages) -> None:
    stage = stages(again=False)
    stage.serving()
    stage.signal(signal.SIGUSR2)
    stage.line("SIGUSR2 is refused: what this splitter was started for cannot be handed over; end it and start it again")


def test_as_the_first_process_of_a_container_there_is_none(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    upgrade = Upgrade(("splitter", "serve"), estate=None, intervals=Intervals(), crew=None, old=None)  # type: ignore[arg-type]  # not asked
    upgrade.begin("")
    assert "SIGUSR2 is refused: a container ends with its first process; replace the container" in capsys.readouterr().err


def test_one_at_a_time(stages: Stages) -> None:
    stage = stages(workers=1)
    stage.serving()
    stage.upgrade()
    stage.signal(signal.SIGUSR2)
    stage.line(f"SIGUSR2 is refused: an upgrade is under way (pid {stage.successors[0]})")
    os.kill(stage.successors[0], signal.SIGUSR2)
    stage.line("SIGUSR2 is refused: this splitter is not ready yet")


# --- the service manager --------------------------------------------------------------------------------------------------------


@contextmanager
def manager(folder: Path) -> Iterator[tuple[Callable[[], tuple[int, str]], dict[str, str]]]:
    """What a service manager hears: (process id of the sender, text), in order; and the environment that leads there."""
    path = folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        heard.settimeout(BOUND_S)
        heard.bind(str(path))

        def hear() -> tuple[int, str]:
            text, (credentials, *_), _, _ = heard.recvmsg(4096, 1024)
            return int.from_bytes(credentials[2][:4], sys.byteorder), text.decode()

        def hear_all() -> tuple[int, str]:
            readable, _, _ = select.select([heard], [], [], BOUND_S)
            assert readable, "it was told nothing"
            return hear()

        yield hear_all, {"NOTIFY_SOCKET": str(path)}


def test_the_service_manager_learns_of_the_new_process(stages: Stages, folder: Path) -> None:
    with manager(folder) as (hear, environ):
        stage = stages(workers=1, environ=environ)
        old = stage.process.pid
        _, (old_worker,), _, _ = taken_over(stage)
        (new,) = stage.successors
        assert hear() == (old, "READY=1")
        sender, text = hear()
        assert (sender, text.splitlines()[0]) == (old, "RELOADING=1")
        assert abs(int(text.splitlines()[1].removeprefix("MONOTONIC_USEC=")) / 1e6 - time.monotonic()) < BOUND_S
        assert hear() == (old, f"MAINPID={new}")
        assert hear() == (new, "READY=1"), "only the main process is listened to, so it must be that already"
        old_worker.order(exit=0)
        assert stage.exit_code() == 0
        os.kill(new, signal.SIGTERM)
        assert hear() == (new, "STOPPING=1"), "of the end of the old one nothing is said"


def test_the_service_manager_learns_that_it_stays_as_it_was(stages: Stages, folder: Path) -> None:
    with manager(folder) as (hear, environ):
        stage = stages(workers=1, environ=environ)
        stage.serving()
        stage.upgrade()
        os.kill(stage.successors[0], signal.SIGKILL)
        assert [hear()[1].splitlines()[0] for _ in range(3)] == ["READY=1", "RELOADING=1", "READY=1"]


def test_the_service_manager_learns_of_the_beginning_and_the_end_of_a_reload(stages: Stages, folder: Path) -> None:
    with manager(folder) as (hear, environ):
        stage = stages(workers=1, environ=environ)
        control, _ = stage.serving()
        assert hear()[1] == "READY=1"
        stage.signal(signal.SIGHUP)
        control.frame(Kind.RELOAD)
        assert hear()[1].startswith("RELOADING=1\nMONOTONIC_USEC=")
        control.send(Kind.RELOADED)
        assert hear()[1] == "READY=1"
        stage.signal(signal.SIGHUP)
        control.frame(Kind.RELOAD)
        assert hear()[1].startswith("RELOADING=1")
        os.kill(control.pid, signal.SIGKILL)  # whoever comes next reads everything, and says nothing of a reload
        assert hear()[1] == "READY=1"
        stage.signal(signal.SIGTERM)
        assert hear()[1] == "STOPPING=1"


# --- the command line -----------------------------------------------------------------------------------------------------------


def test_a_module_is_run_by_our_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/lib/splitter/__main__.py", "serve", "config"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-P", "-m", "splitter", "serve", "config"])
    assert same_command() == (sys.executable, "-P", "-m", "splitter", "serve", "config")


def test_a_script_is_run_by_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "splitter"
    script.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(script), "serve", "config"])
    monkeypatch.setattr(sys, "orig_argv", ["/releases/1/bin/python", str(script), "serve", "config"])
    assert same_command() == (str(script), "serve", "config")
