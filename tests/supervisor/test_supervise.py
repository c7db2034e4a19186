"""The supervisor as a process, with children that do what the test says."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from splitter import shared_memory
from splitter.channel import Kind
from splitter.supervisor.publications import REFRESH_FRAMES
from tests.supervisor.stage import Stage

Stages = Callable[..., Stage]


# --- publishing ---------------------------------------------------------------------------------------------------------------


def test_a_revision_is_held_when_every_worker_has_acknowledged_it(stages: Stages) -> None:
    stage = stages()
    control, (first, second) = stage.cast()
    control.send(Kind.PUBLISH_FULL, 7, b"seven")
    assert first.frame(Kind.SNAPSHOT) == (7, "seven")
    assert second.frame(Kind.SNAPSHOT) == (7, "seven")
    stage.accept(first, 7)
    stage.signal(signal.SIGHUP)
    control.frame(Kind.RELOAD)  # and not HELD: the second worker still has none
    stage.accept(second, 7)
    revision, payload = control.frame(Kind.HELD)
    assert (revision, json.loads(payload)) == (7, {"workers": 2})


def test_ready_is_set_when_all_workers_accept(stages: Stages) -> None:
    stage = stages()
    control, (first, second) = stage.cast()
    control.send(Kind.PUBLISH_FULL, 1)
    first.frame(Kind.SNAPSHOT)
    second.frame(Kind.SNAPSHOT)
    stage.accept(first, 1)
    second.send(Kind.ACKNOWLEDGE, 1)
    second.frame(Kind.ACCEPT)
    control.frame(Kind.HELD)
    assert control.word(shared_memory.READY) == 0  # the second was told to accept but does not do so yet
    second.set_word(stage.layout.worker(1) + shared_memory.ACCEPTING, 1)
    stage.until_ready(control)


def test_a_replacement_gets_everything_in_order_and_accepts_with_the_newest(stages: Stages) -> None:
    stage = stages()
    control, (first, second) = stage.serving()
    control.send(Kind.PUBLISH_CHANGE, 2, b"two")
    control.send(Kind.PUBLISH_CHANGE, 3, b"three")
    assert [second.frame(Kind.SNAPSHOT) for _ in "23"] == [(2, "two"), (3, "three")]
    os.kill(first.pid, signal.SIGKILL)
    said = json.loads(control.frame(Kind.WORKER_DIED)[1])
    assert said == {"index": 0, "pid": first.pid, "status": -signal.SIGKILL}
    replacement = stage.come()
    assert replacement.stripe == 0
    assert [replacement.frame(Kind.SNAPSHOT) for _ in "123"] == [(1, "one"), (2, "two"), (3, "three")]
    replacement.send(Kind.ACKNOWLEDGE, 1)  # not the newest: no ACCEPT, which would be the next frame
    control.send(Kind.PUBLISH_CHANGE, 4, b"four")
    assert replacement.frame(Kind.SNAPSHOT) == (4, "four")
    stage.accept(replacement, 4)
    assert control.word(shared_memory.READY) == 1
    second.send(Kind.ACKNOWLEDGE, 3)
    assert control.frame(Kind.HELD)[0] == 3  # both hold that; 4 only one does


def test_usr1_has_every_worker_open_its_log_again(stages: Stages) -> None:
    stage = stages()
    control, workers = stage.serving()
    stage.signal(signal.SIGUSR1)
    for worker in workers:
        assert worker.frame(Kind.REOPEN) == (0, "")
    stage.signal(signal.SIGHUP)
    control.frame(Kind.RELOAD)  # and nothing before it


def test_a_full_snapshot_takes_the_place_of_all_before(stages: Stages) -> None:
    stage = stages(workers=1)
    control, (worker,) = stage.serving()
    control.send(Kind.PUBLISH_CHANGE, 2, b"two")
    control.send(Kind.PUBLISH_FULL, 3, b"three")
    assert [worker.frame(Kind.SNAPSHOT)[0] for _ in "23"] == [2, 3]
    os.kill(worker.pid, signal.SIGKILL)
    replacement = stage.come()
    assert replacement.frame(Kind.SNAPSHOT) == (3, "three")
    stage.accept(replacement, 3)


def test_many_differences_make_it_ask_for_a_full_snapshot_once(stages: Stages) -> None:
    stage = stages(workers=1)
    control, (worker,) = stage.serving()
    for revision in range(2, REFRESH_FRAMES + 5):
        control.send(Kind.PUBLISH_CHANGE, revision)
        worker.frame(Kind.SNAPSHOT)
    control.frame(Kind.REFRESH)
    control.send(Kind.PUBLISH_FULL, 1000)
    worker.frame(Kind.SNAPSHOT)
    worker.send(Kind.ACKNOWLEDGE, 1000)
    assert control.frame(Kind.HELD)[0] == 1000


def test_a_worker_that_does_not_read_holds_nobody_up_and_is_replaced(stages: Stages) -> None:
    stage = stages(intervals={"acknowledge": 0.5})
    control, (first, second) = stage.serving()
    first.order(deaf=True)
    payload = os.urandom(3_000_000)  # far beyond what a socket holds
    control.send(Kind.PUBLISH_CHANGE, 2, payload)
    assert second.frame(Kind.SNAPSHOT) == (2, hashlib.sha256(payload).hexdigest())
    second.send(Kind.ACKNOWLEDGE, 2)
    stage.line(f"worker 0 (pid {first.pid}) did not acknowledge revision 2")
    stage.line("ended by SIGKILL; replaced")
    control.frame(Kind.WORKER_DIED)
    replacement = stage.come()
    assert replacement.frame(Kind.SNAPSHOT)[0] == 1
    assert replacement.frame(Kind.SNAPSHOT) == (2, hashlib.sha256(payload).hexdigest())
    stage.accept(replacement, 2)
    assert control.frame(Kind.HELD)[0] == 2


def test_a_starting_worker_has_longer_but_not_for_ever(stages: Stages) -> None:
    stage = stages(workers=1, intervals={"acknowledge": 0.01, "first_acknowledge": 1.0})
    control, (worker,) = stage.cast()
    started = time.monotonic()
    control.send(Kind.PUBLISH_FULL, 1)
    stage.line(f"worker 0 (pid {worker.pid}) did not acknowledge revision 1")
    assert time.monotonic() - started > 0.3


# --- ends of children ---------------------------------------------------------------------------------------------------------


def test_a_worker_that_ends_leaves_its_counts_and_an_empty_header(stages: Stages) -> None:
    stage = stages()
    _, (first, second) = stage.serving()
    header, slab = stage.layout.worker(0), stage.layout.slab(0)
    words = (shared_memory.PID, shared_memory.ACCEPTING, shared_memory.CONNECTIONS, shared_memory.HELD_BYTES, shared_memory.REVISION)
    for word in words:
        first.set_word(header + word, 5)
    first.set_word(slab, 99)
    first.order(exit=0)
    stage.line(f"worker 0 (pid {first.pid}) ended with status 0; replaced")
    stage.come()
    assert [second.word(header + word) for word in words] == [0] * len(words)
    assert second.word(slab) == 99


def test_workers_that_fail_again_and_again_are_held_back_longer_and_longer(stages: Stages) -> None:
    stage = stages(workers=1, intervals={"short_life": 30, "backoff_first": 0.01, "backoff_most": 0.04})
    _, (worker,) = stage.cast()
    for delay in ("0.01", "0.02", "0.04", "0.04"):
        worker.order(exit=3)
        stage.line(f"ended with status 3; replaced in {delay} s")
        worker = stage.come()


def test_a_control_plane_that_ends_is_told_where_to_go_on(stages: Stages) -> None:
    stage = stages(workers=1)
    control, (worker,) = stage.serving()
    os.kill(control.pid, signal.SIGKILL)
    stage.line("control plane")
    control = stage.come()
    assert control.frame(Kind.START) == (1, "")
    control.send(Kind.PUBLISH_FULL, 2, b"again")
    assert worker.frame(Kind.SNAPSHOT) == (2, "again")
    worker.send(Kind.ACKNOWLEDGE, 2)
    assert control.frame(Kind.HELD)[0] == 2
    assert worker.word(shared_memory.READY) == 1


def test_a_control_plane_that_hangs_is_killed_after_its_first_beat_only(stages: Stages) -> None:
    stage = stages(workers=1, intervals={"silence": 0.2})
    control, _ = stage.cast()
    control.send(Kind.BEAT)
    stage.line(f"control plane (pid {control.pid}) gave no sign of life for 0.2 s")
    assert stage.come().frame(Kind.START) == (0, "")  # killed before it had published: started again, not given up


def test_a_worker_that_hangs_is_killed(stages: Stages) -> None:
    stage = stages(intervals={"silence": 0.3, "look": 0.05})
    _, (first, second) = stage.cast()
    now_ms = time.monotonic_ns() // 1_000_000
    second.set_word(stage.layout.worker(1) + shared_memory.BEAT, now_ms + 1_000_000)
    first.set_word(stage.layout.worker(0) + shared_memory.BEAT, now_ms)
    stage.line(f"worker 0 (pid {first.pid}) gave no sign of life for 0.3 s")
    assert stage.come().stripe == 0
    assert second.word(stage.layout.worker(0) + shared_memory.BEAT) == 0


def test_a_stop_of_the_supervisor_itself_is_not_blamed_on_its_children(stages: Stages) -> None:
    stage = stages(workers=1, intervals={"silence": 0.5, "stall": 0.2})
    control, _ = stage.serving()
    control.send(Kind.BEAT)
    stage.signal(signal.SIGHUP)
    control.frame(Kind.RELOAD)
    stage.signal(signal.SIGSTOP)
    time.sleep(1.0)  # the time that is missing is the matter of the test
    stage.signal(signal.SIGCONT)
    stage.signal(signal.SIGHUP)
    control.frame(Kind.RELOAD)  # it has looked since, and this is the same control plane
    stage.signal(signal.SIGHUP)
    control.frame(Kind.RELOAD)


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x1e" + b"\xff" * 12, b"\x05" + b"\0" * 12, b"\x01" + b"\0" * 12])
def test_garbage_costs_a_worker_its_life_and_nobody_elses(stages: Stages, garbage: bytes) -> None:
    stage = stages()
    control, (first, _) = stage.serving()
    first.order(send=garbage.hex())
    stage.line(f"worker 0 (pid {first.pid}) sent what it may not send")
    assert json.loads(control.frame(Kind.WORKER_DIED)[1])["pid"] == first.pid
    assert stage.come().frame(Kind.SNAPSHOT) == (1, "one")


def test_a_control_plane_that_breaks_the_order_of_revisions_is_replaced(stages: Stages) -> None:
    stage = stages(workers=1)
    control, _ = stage.serving()
    control.send(Kind.PUBLISH_FULL, 1)
    stage.line("sent what it may not send (revision 1 was published after 1)")
    control = stage.come()
    control.send(Kind.PUBLISH_CHANGE, 2)  # a difference to what? it has not seen the one before
    stage.line("sent what it may not send (a difference before its first full snapshot)")
    assert stage.come().frame(Kind.START)[0] == 1


def test_a_child_that_closes_its_channel_is_replaced(stages: Stages) -> None:
    stage = stages(workers=1, intervals={"deaf": 0.05})
    _, (worker,) = stage.serving()
    worker.order(close=True)
    stage.line(f"worker 0 (pid {worker.pid}) closed its channel; it is killed")
    assert stage.come().frame(Kind.SNAPSHOT) == (1, "one")


# --- the start ----------------------------------------------------------------------------------------------------------------


def test_what_the_control_plane_cannot_start_with_ends_everything(stages: Stages) -> None:
    stage = stages()
    control, workers = stage.cast()
    control.send(Kind.FATAL, 0, b"config/a.yaml:1:1: error: it is empty")
    assert stage.ended() == 1
    assert stage.said == ["splitter: config/a.yaml:1:1: error: it is empty"]
    for child in [control, *workers]:
        child.gone()


def test_a_control_plane_that_ends_before_its_first_publication_ends_everything(stages: Stages) -> None:
    stage = stages()
    control, _ = stage.cast()
    control.order(exit=1)
    assert stage.ended() == 1
    assert stage.said == [
        f"splitter: control plane (pid {control.pid}) ended with status 1 before it had published a configuration"
    ]


def test_later_the_same_only_starts_it_again(stages: Stages) -> None:
    stage = stages(workers=1)
    control, _ = stage.serving()
    control.send(Kind.FATAL, 0, b"the state is gone")
    control.order(exit=1)
    stage.line("the state is gone")
    stage.line("ended with status 1; replaced")
    assert stage.come().frame(Kind.START)[0] == 1


def test_children_get_their_own_descriptors_and_no_others(stages: Stages) -> None:
    stage = stages(workers=3)
    control, workers = stage.serving()
    os.kill(workers[0].pid, signal.SIGKILL)
    for child in [control, *workers, stage.come()]:
        assert child.fds == sorted(child.start[name] for name in ("channel_fd", "listener_fd", "memory_fd"))


def test_children_see_the_death_of_the_supervisor(stages: Stages) -> None:
    stage = stages()
    control, workers = stage.serving()
    stage.process.kill()
    for child in [control, *workers]:
        assert child.next() == {"kind": "EOF"}


def test_children_are_in_no_session_with_a_terminal(stages: Stages) -> None:
    stage = stages(workers=1)
    control, (worker,) = stage.cast()
    assert os.getsid(control.pid) == control.pid
    assert os.getsid(worker.pid) == worker.pid


def test_workers_reach_the_control_plane_by_a_private_socket(stages: Stages) -> None:
    stage = stages(workers=1)
    _, (worker,) = stage.cast()
    path = Path(worker.start["control_socket"])
    assert len(os.fsencode(path)) < 108
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))  # it waits in the queue though nobody accepts yet


def test_what_a_killed_supervisor_has_left_is_removed_by_the_next(stages: Stages) -> None:
    first = stages(workers=1)
    _, (worker,) = first.cast()
    left = Path(worker.start["control_socket"]).parent
    first.process.kill()
    first.process.wait()
    assert left.exists()
    second = stages(workers=1)
    second.cast()
    assert not left.exists()


def test_a_second_one_on_the_same_state_is_refused(stages: Stages) -> None:
    first = stages(workers=1)
    control, _ = first.serving()
    second = stages(workers=1)
    assert second.ended() == 1
    (line,) = second.said
    assert f"is in use by the splitter with pid {first.process.pid} at {control.start['address']}." in line
    assert "--state-dir" in line


def test_a_port_in_use_is_tried_again_and_then_refused(stages: Stages) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        stage = stages(port=port, intervals={"port_retry": 0.3})
        assert stage.ended() == 1
    assert [line.partition("by")[0] for line in stage.said] == [
        f"splitter: port {port} of 127.0.0.1 is in use ",
        f"splitter: error: port {port} of 127.0.0.1 is in use ",
    ]
    assert all(f"(pid {os.getpid()})" in line for line in stage.said)
    assert "--port" in stage.said[1]


def test_a_port_that_becomes_free_is_taken(stages: Stages) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        stage = stages(workers=1, port=port, intervals={"port_retry": 30})
        stage.line("is in use")
    control, _ = stage.serving()
    assert control.start["address"] == f"http://127.0.0.1:{port}"


def test_term_while_it_waits_for_the_port(stages: Stages) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        stage = stages(port=other.getsockname()[1], intervals={"port_retry": 30})
        stage.line("is in use")
        stage.signal(signal.SIGTERM)
        assert stage.ended() == 0


def test_an_inherited_listener_is_used(stages: Stages) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kept = os.dup(3) if os.path.exists("/proc/self/fd/3") else None
        try:
            os.dup2(listener.fileno(), 3)
            stage = stages(workers=1, port=1, environ={"LISTEN_FDS": "1"}, pass_fds=(3,), listen_pid=True)
        finally:
            if kept is None:
                os.close(3)
            else:
                os.dup2(kept, 3, inheritable=False)
                os.close(kept)
        control, _ = stage.serving()
        assert control.start["address"] == f"http://127.0.0.1:{listener.getsockname()[1]}"


# --- the end ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_drain_waits_for_the_workers_and_then_for_the_control_plane(stages: Stages, number: int) -> None:
    stage = stages()
    control, workers = stage.serving()
    folder = Path(workers[0].start["control_socket"]).parent
    stage.signal(number)
    for child in [control, *workers]:
        child.frame(Kind.DRAIN)
    assert (control.word(shared_memory.READY), control.word(shared_memory.DRAINING)) == (0, 1)
    for worker in workers:
        worker.send(Kind.DRAINED)
        worker.order(exit=0)
    control.frame(Kind.WORKER_DIED)
    control.frame(Kind.WORKER_DIED)
    assert control.next() == {"kind": "EOF"}
    host, _, port = control.start["address"].removeprefix("http://").partition(":")
    with pytest.raises(ConnectionRefusedError):  # no copy of the listener is left in the supervisor
        socket.create_connection((host, int(port)))
    control.order(exit=0)
    assert stage.ended() == 0
    assert not folder.exists()
    assert (Path(stage.settings.state_dir) / "lock").read_text() == ""


def test_what_is_busy_for_too_long_is_killed(stages: Stages) -> None:
    stage = stages(drain_s=0.1, intervals={"drain_margin": 0.0, "control_end": 0.1})
    control, workers = stage.serving()
    stage.signal(signal.SIGTERM)
    stage.line("still busy after 0.1 s and killed: worker 0, worker 1")
    for child in [*workers, control]:
        child.gone()
    assert stage.ended() == 0
    assert any("control plane" in line and "did not end within 0.1 s" in line for line in stage.said)


def test_a_dying_worker_is_not_replaced_in_a_drain(stages: Stages) -> None:
    stage = stages()
    control, (first, second) = stage.serving()
    stage.signal(signal.SIGTERM)
    control.frame(Kind.DRAIN)
    os.kill(first.pid, signal.SIGKILL)
    assert stage.line("worker 0").endswith("ended by SIGKILL")
    second.order(exit=0)
    control.order(exit=0)
    assert stage.ended() == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_it_at_once(stages: Stages, number: int, code: int) -> None:
    stage = stages()
    control, workers = stage.serving()
    stage.signal(signal.SIGTERM)
    control.frame(Kind.DRAIN)
    stage.signal(number)
    assert stage.ended() == code
    for child in [control, *workers]:
        child.gone()


def test_a_signal_that_comes_twice_at_once_is_one(stages: Stages) -> None:
    """`timeout make demo` sends TERM to make, which passes it on, and to the whole group."""
    stage = stages(intervals={"one_signal": 30})
    control, workers = stage.serving()
    stage.signal(signal.SIGTERM)
    control.frame(Kind.DRAIN)
    stage.signal(signal.SIGTERM)
    for child in [*workers, control]:
        child.order(exit=0)
    assert stage.ended() == 0


def test_usr1_in_a_drain_is_passed_on_and_ends_nothing(stages: Stages) -> None:
    stage = stages()
    _, workers = stage.serving()
    stage.signal(signal.SIGTERM)
    stage.line("draining")
    stage.signal(signal.SIGUSR1)
    for worker in workers:
        worker.frame(Kind.DRAIN)
        assert worker.frame(Kind.REOPEN) == (0, "")
    for hand in stage.hands:
        hand.order(exit=0)
    assert stage.ended() == 0


def test_term_before_anything_is_published(stages: Stages) -> None:
    stage = stages()
    control, workers = stage.cast()
    stage.signal(signal.SIGTERM)
    for child in [*workers, control]:
        child.frame(Kind.DRAIN)
        child.order(exit=0)
    assert stage.ended() == 0
