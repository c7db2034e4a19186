"""From what was counted to what is said: the one place where a tally becomes a report. Pure; all chance is drawn from the run's seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Protocol

from splitter.bench.figures.differences import differences
from splitter.bench.figures.groups import failures, group, groups, moments, unnamed
from splitter.bench.figures.overheads import overheads
from splitter.bench.figures.streams import Stream, by_size, everything, model, streams
from splitter.bench.figures.validity import Used, validity
from splitter.bench.figures.versions import changes_seen, first_answers, splits_of
from splitter.bench.plan import Plan, Side
from splitter.bench.report import Change, Endpoint, Reload, Report, Setting
from splitter.bench.tally import Key, Tally


class Known(Protocol):
    """What splitter's API says of an endpoint: shares are fractions by served model, for every version."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def shares(self) -> Mapping[str, Mapping[str, float]]: ...


def assemble(
    plan: Plan,
    setting: Setting,
    tally: Tally,
    *,
    usage: Sequence[Used],
    faults: Sequence[str] = (),
    found: Known | None = None,
    after: Known | None = None,
    changes: Sequence[Change] = (),
    reload: Reload | None = None,
    interrupted: bool = False,
    measured_s: float | None = None,
) -> Report:
    """The report without verdicts. `found` is what the API said before the load and `after` what it says since; None for a server that is
    not splitter. `faults` are sentences of generators about their own end. `changes` are those that somebody made and knows
    of. `measured_s` is less than planned when the run was ended early."""
    draw = Random(plan.seed)  # noqa: S311 - for simulated tests; the same report again from the same samples
    lasted = plan.duration_s if measured_s is None else measured_s
    whole = streams(plan, tally, Side.PROXY, everything)
    models = streams(plan, tally, Side.PROXY, model)
    direct = streams(plan, tally, Side.DIRECT, lambda key: _target(plan, key))
    by_model = groups(models)
    endpoint = _endpoint(found, after, first_answers(plan, tally))
    reported = changes or (reload.changes if reload else ())
    shares = endpoint.shares if endpoint else {}
    before = endpoint.version_before if endpoint else ""
    changed = changes_seen(plan, tally, reported, before, shares)
    nameless = unnamed(plan, tally) if by_model else 0
    return Report(
        setting=setting,
        validity=validity(plan, tally, usage, lasted, interrupted, faults),
        endpoint=endpoint,
        whole=group("", whole.get("", Stream())),
        models=by_model,
        splits=splits_of(plan, tally, shares, draw, nameless),
        differences=differences(by_model),
        failures=failures(plan, tally),
        direct=tuple(group(name, stream) for name, stream in by_size(direct)),
        overhead=overheads(plan, models, direct, has_moved=bool(changed)),
        reload=reload,
        changes=changed,
        moments=moments(plan, models, direct, lasted),
        unnamed=nameless,
    )


def _target(plan: Plan, key: Key) -> str:
    return plan.targets[key.target].name


def _endpoint(found: Known | None, after: Known | None, answered: Iterable[str]) -> Endpoint | None:
    """With the shares of the versions that had a part in the run; a history may be long."""
    if found is None:
        return None
    later = after or found
    known = {**found.shares, **later.shares}
    versions = dict.fromkeys((found.version, *answered, later.version))
    return Endpoint(found.name, found.version, later.version, {version: dict(known[version]) for version in versions if version in known})
