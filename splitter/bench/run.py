"""A run from its beginning to its report, as one straight line; the parts are elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from splitter.bench.api.client import Api
from splitter.bench.api.discovery import Found, demo_payload, discover
from splitter.bench.api.errors import ApiError
from splitter.bench.errors import BenchError, WrongCall
from splitter.bench.figures.assemble import assemble
from splitter.bench.figures.thresholds import judge
from splitter.bench.load import load
from splitter.bench.output.live import Live
from splitter.bench.plan import Plan, Target
from splitter.bench.reload.proof import ReloadProof
from splitter.bench.report import Report
from splitter.bench.setup.direct import direct_targets
from splitter.bench.setup.judgeable import check_thresholds
from splitter.bench.setup.payload import NO_PAYLOAD, Payload
from splitter.bench.setup.prepare import Wish, plan_of, setting_of
from splitter.bench.setup.probe import probe
from splitter.bench.setup.target import Asked, asked

_AFTER_S = 5.0
_WITHOUT_BODY = ("GET", "HEAD", "OPTIONS", "DELETE")


class RunRefused(BenchError):
    """The run was not begun; the message says why."""


class PayloadMissing(WrongCall):
    """Nobody says what to send."""


async def run(wish: Wish, live: Live, confirm: Callable[[str], bool]) -> Report:
    """Load the target, and report. `confirm` is asked before shares are moved. Raises BenchError."""
    about = asked(wish.url)
    async with Api(about.server, wish.token) as api:
        found = await discover(api, about.endpoint) if about.endpoint else None
        payload = payload_of(wish, found)
        plan = plan_of(wish, (about.target, *_direct_of(wish, about, found)), payload)
        check_thresholds(wish.thresholds, _models(about, found), plan.targets)
        for warning in await probe(plan) if wish.probe else ():
            live.note(f"warning: {warning}")
        proof = await _proof_of(wish, api, plan, found, live)
        if proof is not None and not confirm(proof.question):
            raise RunRefused("nothing was sent, and nothing was changed")
        started = datetime.now(UTC)
        measured = await load(plan, live, proof)
        after = await _after(api, found, live)
    report = assemble(
        plan,
        setting_of(wish, plan, payload, started, measured.seconds),
        measured.tally,
        usage=measured.usage,
        faults=measured.faults,
        found=None if about.model else found,  # a model that is asked by name answers, whatever its share
        after=None if about.model else after,
        reload=proof.result() if proof is not None else None,
        interrupted=measured.interrupted,
        measured_s=measured.seconds,
    )
    return replace(report, verdicts=judge(wish.thresholds, report))


def payload_of(wish: Wish, found: Found | None) -> Payload:
    """What to send. Raises PayloadMissing."""
    if wish.payload is not None:
        return wish.payload
    if wish.method in _WITHOUT_BODY:
        return NO_PAYLOAD
    if found is not None and found.is_demo:
        return demo_payload()
    raise PayloadMissing(
        f"{wish.method} {wish.url} is to have a body, and only you know what your model takes: --payload FILE, one body a line, as in\n"
        """  echo '{"inputs": [[5.1, 3.5, 1.4, 0.2]]}' > requests.jsonl\n"""
        "For a URL that takes none there is --method GET."
    )


def _models(about: Asked, found: Found | None) -> Collection[str]:
    """Those that may answer; none where nobody says."""
    if found is None:
        return ()
    return (about.model,) if about.model else {**found.shares[found.version], **found.urls}


def _direct_of(wish: Wish, about: Asked, found: Found | None) -> tuple[Target, ...]:
    if not wish.direct:
        return ()
    if found is None:
        return direct_targets(wish.direct, {}, {})
    shares = {about.model: 1.0} if about.model else found.shares[found.version]
    return direct_targets(wish.direct, found.addresses, shares)


async def _proof_of(wish: Wish, api: Api, plan: Plan, found: Found | None, live: Live) -> ReloadProof | None:
    if not wish.reload:
        return None
    if found is None:
        raise RunRefused(f"--reload moves shares through splitter's API, and {wish.url} is no endpoint of splitter")
    return await ReloadProof.prepare(api, found, plan, note=live.note, draw=Random(plan.seed))  # noqa: S311 - repeatable on purpose


async def _after(api: Api, found: Found | None, live: Live) -> Found | None:
    """The versions that came into force meanwhile. A server that has gone is no reason to lose the report."""
    if found is None:
        return None
    try:
        async with asyncio.timeout(_AFTER_S):
            return await discover(api, found.name)
    except TimeoutError:
        live.note("warning: what is in force now is not known: the server does not answer")
        return None
    except ApiError as exc:
        live.note(f"warning: what is in force now is not known: {exc}")
        return None
