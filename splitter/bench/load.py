"""The load itself: generators send, every batch of samples is counted, and shares are moved beside it if that was asked for."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

from splitter.bench.engine.generators import Generators, Usage
from splitter.bench.output.live import Live
from splitter.bench.plan import Plan
from splitter.bench.reload.proof import ReloadProof
from splitter.bench.tally import Tally

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
_SHOWN_S = 0.1


@dataclass(frozen=True, slots=True)
class Measured:
    """What a load came to. `faults` are sentences about generators that broke off. `seconds` is how long it measured: less than planned
    when it was ended early."""

    tally: Tally
    usage: Sequence[Usage]
    faults: tuple[str, ...]
    seconds: float
    interrupted: bool


@dataclass(slots=True)
class _Early:
    """When somebody ended the load, by the monotonic clock, and the way back of the shares that began then; None: nobody did."""

    at_s: float | None = None
    restoring: asyncio.Future[bool] | None = None


async def load(plan: Plan, live: Live, proof: ReloadProof | None) -> Measured:
    """Carry the plan out. Ctrl-C, TERM and a terminal that goes away end it early: nothing more is sent, and what was sent is counted.
    Whatever ends it, the shares are put back as they were found."""
    tally = Tally(plan)
    generators = Generators(plan)
    early = _Early()

    def end() -> None:
        early.at_s = time.monotonic()
        generators.stop()
        live.note(f"ended early: nothing more is sent, and the last answers are waited for, at most {plan.timeout_s:g} s")
        if proof is not None:
            proof.stop()
            # At once: what is in flight may last as long as --timeout says, and nobody is to be sent to a model that hangs meanwhile
            early.restoring = asyncio.ensure_future(proof.restore())

    # Over the restoring too: an impatient second Ctrl-C must not keep the shares from coming back.
    with _on_interrupt(end):
        try:
            async with generators:
                zero_s = await generators.start()
                async with _moving(proof, zero_s), _shown(live, early, plan, zero_s, tally):
                    async for batch in generators.batches():
                        tally.add(batch.samples, batch.labels)
                        if proof is not None:
                            proof.see(batch.samples, batch.labels)
        finally:
            if proof is not None:
                await (early.restoring or proof.restore())
            live.close()
    seconds = plan.duration_s if early.at_s is None else min(plan.duration_s, max(0.0, early.at_s - zero_s))
    return Measured(tally, generators.usage, tuple(generators.failures), seconds, early.at_s is not None)


@asynccontextmanager
async def _shown(live: Live, early: _Early, plan: Plan, zero_s: float, tally: Tally) -> AsyncIterator[None]:
    """The progress is shown as long as the `with` lasts, by the clock: a server that stands still sends nothing that could move it."""

    async def show() -> None:
        while True:
            live.update(time.monotonic() - zero_s if early.at_s is None else plan.duration_s, tally)
            await asyncio.sleep(_SHOWN_S)

    showing = asyncio.create_task(show())
    try:
        yield
    finally:
        showing.cancel()
        with suppress(asyncio.CancelledError):
            await showing


@asynccontextmanager
async def _moving(proof: ReloadProof | None, zero_s: float) -> AsyncIterator[None]:
    """The shares move as long as the `with` lasts."""
    if proof is None:
        yield
        return
    moves = asyncio.create_task(proof.run(zero_s))
    try:
        yield
    finally:
        moves.cancel()
        with suppress(asyncio.CancelledError):
            await moves


@contextmanager
def _on_interrupt(end: Callable[[], None]) -> Iterator[None]:
    """Signals call `end`, once. Further ones are passed over, here and in what follows until the loop is closed: what goes on then has a
    bound of its own, and is the report that everybody waited for."""
    loop = asyncio.get_running_loop()
    has_ended = False

    def interrupt() -> None:
        nonlocal has_ended
        if not has_ended:
            has_ended = True
            end()

    is_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    heeded = _INTERRUPTS if is_nohup else (*_INTERRUPTS, signal.SIGHUP)
    for number in heeded:
        loop.add_signal_handler(number, interrupt)
    try:
        yield
    finally:
        for number in heeded:
            loop.add_signal_handler(number, _nothing)


def _nothing() -> None:
    pass
