"""Whole generator processes against a server in the test's own loop, which counts by hand."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from time import monotonic

import pytest

from benchmarks.processes import children, command_line
from splitter.bench.engine.connection import resolve
from splitter.bench.engine.frames import HEADER, MOMENT, Job, Kind, frame
from splitter.bench.engine.generators import Generators
from splitter.bench.engine.schedule import moments
from splitter.bench.errors import BenchError
from splitter.bench.plan import ABBA, Arrival, Plan, Side
from splitter.bench.sample import Ending, Label, Sample
from splitter.bench.tally import Tally
from tests.bench.engine.scripted import Responders, closed_port, eventually, is_alive, make_plan, responders, target


async def ran(plan: Plan) -> tuple[list[Sample], Generators]:
    """Run it to its end."""
    found: list[Sample] = []
    async with asyncio.timeout(30), Generators(plan) as generators:
        await generators.start()
        async for batch in generators.batches():
            found += batch.samples
    return found, generators


def running() -> list[int]:
    return [pid for pid in children(os.getpid()) if "splitter.bench.engine.generator" in command_line(pid)]


async def test_every_request_of_the_schedule_arrives_and_is_reported_once() -> None:
    async with responders() as server:
        server.answer = b"HTTP/1.1 200 OK\r\nserved-model-name: a\r\nx-config-version: 1\r\nContent-Length: 2\r\n\r\nok"
        plan = replace(make_plan(server.port, rate=300.0, connections=8), warmup_s=0.2, bodies=tuple(b"%d" % n for n in range(10)))
        samples, generators = await ran(plan)
        assert sorted(sample.intended for sample in samples) == pytest.approx(list(moments(plan, 0)), abs=1e-6)
        assert len(server.bodies) == len(samples) == 360
        assert Counter(server.bodies) == dict.fromkeys(plan.bodies, 36)
        assert {(sample.ending, sample.status) for sample in samples} == {(Ending.ANSWERED, 200)}
        assert all(sample.intended <= sample.sent <= sample.done for sample in samples)
        assert generators.failures == []


async def test_the_last_requests_are_not_cut_off_by_a_timer_that_is_early() -> None:
    """At this rate several are due in the last millisecond."""
    async with responders() as server:
        samples, _ = await ran(make_plan(server.port, rate=4000.0, seconds=0.25, connections=16))
        assert len(samples) == len(server.bodies) == 1000


async def test_several_processes_together_send_what_one_would() -> None:
    async with responders() as server:
        plan = replace(make_plan(server.port, rate=300.0, connections=7), processes=3, warmup_s=0.1)
        samples, generators = await ran(plan)
        assert sorted(sample.intended for sample in samples) == pytest.approx(list(moments(replace(plan, processes=1), 0)), abs=1e-6)
        assert len(server.bodies) == len(samples)
        assert len(server.transports) == 7
        assert len(generators.usage) == 3
        assert all(usage.wall_s == pytest.approx(1.0, abs=0.5) and 0 < usage.cpu_s < usage.wall_s for usage in generators.usage)


async def test_labels_belong_to_the_process_that_named_them() -> None:
    async with responders() as server:
        versions = iter(range(1000))

        def hold() -> float:
            server.answer = b"HTTP/1.1 200 OK\r\nx-config-version: %d\r\nContent-Length: 0\r\n\r\n" % (next(versions) // 50)
            return 0.0

        server.hold = hold
        seen: Counter[Label] = Counter()
        async with Generators(replace(make_plan(server.port, rate=300.0, connections=2), processes=2)) as generators:
            await generators.start()
            async for batch in generators.batches():
                seen.update(batch.labels[sample.label] for sample in batch.samples)
        assert seen == {Label("", str(version)): 50 for version in range(6)}


async def test_a_run_that_is_stopped_reports_what_ran_and_sends_nothing_more() -> None:
    async with responders() as server:
        server.hold = lambda: 0.05
        found: list[Sample] = []
        async with asyncio.timeout(15), Generators(make_plan(server.port, rate=200.0, seconds=60.0, connections=64)) as generators:
            zero = await generators.start()
            stopped = 0.0
            async for batch in generators.batches():
                found += batch.samples
                if not stopped and len(found) > 20:
                    generators.stop()
                    stopped = monotonic() - zero
            asked = len(server.bodies)
        assert asked == len(found)
        assert {Ending(sample.ending) for sample in found} == {Ending.ANSWERED}
        assert max(sample.sent for sample in found) < stopped + 1.0
        assert generators.usage[0].wall_s < 10.0
        assert generators.failures == []


async def test_a_run_can_be_stopped_in_its_warm_up() -> None:
    async with responders() as server, asyncio.timeout(15):
        async with Generators(replace(make_plan(server.port), warmup_s=60.0)) as generators:
            await generators.start()
            generators.stop()
            samples = [sample async for batch in generators.batches() for sample in batch.samples]
        assert all(sample.intended < 0 for sample in samples)


async def test_a_run_can_be_stopped_while_it_starts() -> None:
    """The processes are not there yet, so nobody can be told: they are when they come."""
    plan = replace(make_plan(closed_port(), seconds=60.0, connections=2), processes=2)
    async with asyncio.timeout(15), Generators(plan) as generators:
        starting = asyncio.create_task(generators.start())
        await asyncio.sleep(0)
        generators.stop()
        await starting
        assert [batch async for batch in generators.batches()] == []
        assert len(generators.usage) == 2


async def test_a_server_that_is_not_there_is_counted_and_does_not_end_the_run() -> None:
    plan = make_plan(closed_port(), connections=4)
    samples, generators = await ran(plan)
    assert [Ending(sample.ending) for sample in samples] == [Ending.REFUSED] * 100
    assert generators.failures == []


async def test_a_server_that_is_slower_than_the_schedule_leaves_requests_unsent() -> None:
    """One connection and a quarter of a second each: of a hundred a few are answered, and none is missing."""
    async with responders() as server:
        server.hold = lambda: 0.25
        samples, _ = await ran(replace(make_plan(server.port), timeout_s=0.5))
        counts = Counter(Ending(sample.ending) for sample in samples)
        assert counts.total() == 100
        assert counts[Ending.ANSWERED] == len(server.bodies) < 20
        assert counts[Ending.UNSENT] == 100 - len(server.bodies)


async def test_a_server_that_closes_after_each_answer_costs_no_request() -> None:
    async with responders() as server:
        server.closes = True
        server.answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
        samples, _ = await ran(make_plan(server.port, connections=4))
        assert {Ending(sample.ending) for sample in samples} == {Ending.ANSWERED}
        assert len(server.bodies) == len(samples) == 100
        assert len(server.transports) >= 100


async def test_sides_take_turns() -> None:
    async with responders() as proxy, responders() as model:
        targets = (target(proxy.port), target(model.port, Side.DIRECT, "a"))
        plan = replace(make_plan(proxy.port, rate=200.0, connections=4), targets=targets, turns=ABBA, slice_s=0.125)
        samples, _ = await ran(plan)
        assert len(proxy.bodies) == len(model.bodies) == 100
        assert all(plan.targets[sample.target].side is plan.side_of(plan.slice_of(sample.intended)) for sample in samples)


async def test_a_closed_loop_keeps_its_connections_busy_until_the_end_and_its_sides_take_turns() -> None:
    async with responders() as proxy, responders() as model:
        for server in (proxy, model):
            server.hold = lambda: 0.02
        targets = (target(proxy.port), target(model.port, Side.DIRECT, "a"))
        plan = make_plan(proxy.port, arrival=Arrival.CLOSED, connections=3)
        plan = replace(plan, targets=targets, turns=ABBA, slice_s=0.25, warmup_s=0.2)
        samples, _ = await ran(plan)
        assert len(proxy.bodies) + len(model.bodies) == len(samples)
        measured = [sample for sample in samples if sample.intended >= 0]
        assert 30 < len(measured) < 150 + 3
        assert all(sample.intended == sample.sent for sample in samples)
        assert max(sample.sent for sample in samples) < plan.duration_s + 0.1
        # At a change of turns a busy machine may be late by a little
        strays = [sample for sample in measured if plan.targets[sample.target].side is not plan.side_of(plan.slice_of(sample.intended))]
        assert len(strays) < len(measured) / 4


# --- the stall ----------------------------------------------------------------------------------------------------------------


def stalling(server: Responders) -> Callable[[], float]:
    """Of each second since its first request the server answers nothing for 200 ms. The seconds are its own, so that it does not matter
    how late a run begins."""
    began: list[float] = []

    def hold() -> float:
        now = monotonic()
        began.append(now) if not began else None
        into = (now - began[0] + 0.5) % 1.0
        return 0.2 - into if into < 0.2 else 0.0

    return hold


async def p99s(plan: Plan) -> tuple[float, float]:
    """Of the latency from the intended moment, and of the service time, in ms."""
    tally = Tally(plan)
    async with asyncio.timeout(30), Generators(plan) as generators:
        await generators.start()
        async for batch in generators.batches():
            tally.add(batch.samples, batch.labels)
    assert tally.answered == tally.counted > 100
    [cell] = tally.cells.values()
    return cell.latency.quantile(0.99) / 1000, cell.service.quantile(0.99) / 1000


async def test_an_open_loop_shows_the_stalls_that_a_closed_one_hides() -> None:
    async with responders() as server:
        server.hold = stalling(server)
        latency, service = await p99s(make_plan(server.port, rate=200.0, seconds=2.0, connections=4))
        server.hold = stalling(server)
        _, hidden = await p99s(make_plan(server.port, arrival=Arrival.CLOSED, seconds=2.0, connections=4))
    assert 150 < latency < 1000
    assert hidden < latency / 2
    # Four connections: few requests are under way in a stall, and those that wait for one are seen in the latency alone
    assert service <= latency


# --- ends of processes --------------------------------------------------------------------------------------------------------


async def test_leaving_early_ends_the_processes() -> None:
    async with responders() as server:
        async with Generators(replace(make_plan(server.port, seconds=60.0, connections=2), processes=2)) as generators:
            await generators.start()
            await eventually(lambda: server.bodies)
            pids = running()
            assert len(pids) == 2
        assert not any(map(is_alive, pids))


async def test_a_process_that_is_killed_is_told_of_and_the_others_go_on() -> None:
    async with responders() as server, asyncio.timeout(15):
        found: Counter[int] = Counter()
        async with Generators(replace(make_plan(server.port, connections=2), processes=2)) as generators:
            await generators.start()
            victim = min(running())
            async for batch in generators.batches():
                found[batch.process] += len(batch.samples)
                if is_alive(victim) and len(found) == 2:
                    os.kill(victim, signal.SIGKILL)
        assert len(generators.usage) == 1
        assert max(found.values()) == 50
        [failure] = generators.failures
        assert "ended before its time: killed by signal 9" in failure


async def test_a_process_ends_when_its_parent_is_gone() -> None:
    async with responders() as server, asyncio.timeout(15):
        plan = make_plan(server.port, seconds=600.0)
        arguments = (sys.executable, "-m", "splitter.bench.engine.generator")
        process = await asyncio.create_subprocess_exec(*arguments, stdin=PIPE, stdout=PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(frame(Kind.JOB, pickle.dumps(Job(plan, 0, (resolve(plan.targets[0]),)))))
        assert await process.stdout.readexactly(HEADER.size) == frame(Kind.READY)
        process.stdin.write(frame(Kind.GO, MOMENT.pack(monotonic())))
        await eventually(lambda: server.bodies)
        process.stdin.close()
        await process.stdout.read()
        await process.wait()


async def test_a_process_that_cannot_do_its_job_says_why() -> None:
    plan = replace(make_plan(1), fields=(("X", "\N{SNOWMAN}"),))
    with pytest.raises(BenchError, match=r"generator process 0 did not start: .*latin-1"):  # a sentence on a terminal, no traceback
        await ran(plan)
    await eventually(lambda: not running())


def test_each_process_needs_a_connection() -> None:
    with pytest.raises(ValueError, match="3 processes cannot share 2 connections"):
        Generators(replace(make_plan(1, connections=2), processes=3))
