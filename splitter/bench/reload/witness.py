"""What `--reload` asserts of every answer: seen as it comes, judged at the end. Pure.

A move has two moments: `asked`, before which nothing may be answered by its version, and `answered`, after which nothing that is sent
may be answered by an older one. Between the two, workers take it over one by one, and both versions are right.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from splitter.bench.figures.statistics.splits import answers_needed, exact_binomial, filled, goodness_of_fit
from splitter.bench.plan import Plan, Side
from splitter.bench.report import Change, Check
from splitter.bench.sample import WITHOUT_NAME, Ending, Label, Sample
from splitter.bench.wording import chance, percent, plural, visible

LEAST_P = 0.001
"""Of a whole run, whose versions share it: so a right split is called wrong once in a thousand runs."""

_OF_THE_WAY = (502, 503, 504)
"""What a proxy answers for a model that gave no answer (RFC 9110 §15.6.3 to 15.6.5)."""

_ENDINGS = {
    Ending.REFUSED: "found no connection",
    Ending.CONNECT_TIMEOUT: "got no connection in time",
    Ending.RESET: "were cut off before an answer",
    Ending.TRUNCATED: "were cut off in the answer",
    Ending.TIMEOUT: "were not answered in time",
    Ending.MALFORMED: "were answered with something that is not HTTP",
}


@dataclass(slots=True)
class _Seen:
    """Answers of one model by one version. After `limit_s` no request may be sent that they answer; `first_s` is their first end."""

    model: str
    version: str
    count: int = 0
    first_s: float = math.inf
    limit_s: float = math.inf
    late: int = 0

    @property
    def number(self) -> int:
        """0 for a version that is none."""
        return int(self.version) if self.version.isascii() and self.version.isdigit() else 0


@dataclass(frozen=True, slots=True)
class Made:
    """A move that was answered, or the way back after the last one. Times are seconds of the run, shares fractions of 1."""

    version: int
    asked_s: float
    answered_s: float
    shares: Mapping[str, float]
    is_way_back: bool = False


@dataclass(slots=True)
class Witness:
    """Call `see` with all samples in any order, and `made` in the moment that a move was answered."""

    plan: Plan
    moves: list[Made] = field(default_factory=list)
    sent: int = 0
    unnamed: int = 0  # of the lost ones, those that a model may have had
    lost: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)  # by a model: `500 from challenger`
    _seen: dict[Label, _Seen] = field(default_factory=dict)

    def made(self, move: Made) -> None:
        """No sample that was sent after `answered_s` may have been seen yet; so a limit need not look back."""
        self.moves.append(move)
        for seen in self._seen.values():
            if seen.number < move.version:
                seen.limit_s = min(seen.limit_s, move.answered_s)

    def see(self, samples: Iterable[Sample], labels: list[Label]) -> None:
        """What one process reported, warm-up and all. It runs for every request of a run, so what is rare is elsewhere."""
        through = [target.side is Side.PROXY for target in self.plan.targets]
        near: dict[int, _Seen] = {}
        answered = int(Ending.ANSWERED)
        for _, sent, done, _, label, status, target, ending, _ in samples:
            if not through[target]:
                continue
            if ending != answered:
                self._note_broken(ending)
                continue
            seen = near.get(label)
            if seen is None:
                seen = near[label] = self._seen_of(labels[label])
            if status >= 400 and self._is_nobodys(seen, status):
                continue
            seen.count += 1
            if done < seen.first_s:
                seen.first_s = done
            if sent > seen.limit_s:
                seen.late += 1

    def _seen_of(self, label: Label) -> _Seen:
        seen = self._seen.get(label)
        if seen is None:
            seen = self._seen[label] = _Seen(label.model, label.version)
            seen.limit_s = min((move.answered_s for move in self.moves if move.version > seen.number), default=math.inf)
        return seen

    def _note_broken(self, ending: int) -> None:
        if ending != Ending.UNSENT:  # nobody but the generator has a part in it
            self.sent += 1
            self.unnamed += ending in WITHOUT_NAME
            self.lost[_ENDINGS[Ending(ending)]] += 1

    def _is_nobodys(self, seen: _Seen, status: int) -> bool:
        """An error that no model stands for is splitter's own. So may one of 502 to 504 be that names a model: it got no answer of that
        model, and whether the change or the model is to blame cannot be seen from here. It is lost, and yet was sent to that model, so it
        counts for the shares. Any other is the model's, and relayed."""
        if seen.model and status in _OF_THE_WAY:
            self.lost[f"were answered with {status} on the way to {visible(seen.model)}"] += 1
            return False
        if seen.model:
            self.failed[f"{status} from {visible(seen.model)}"] += 1
            return False
        self.sent += 1
        self.lost[f"were answered with {status} by no model"] += 1
        return True

    # --- judged at the end ----------------------------------------------------------------------------------------------------

    @property
    def answered(self) -> int:
        return sum(seen.count for seen in self._seen.values())

    def first_of(self, version: int) -> float | None:
        """When the first answer of a version came."""
        return min((seen.first_s for seen in self._seen.values() if seen.number == version and seen.count), default=None)

    def changes(self, foreign: Iterable[int], shares: Mapping[str, Mapping[str, float]]) -> tuple[Change, ...]:
        """The moves, and what others put in force meanwhile if anything was answered by it; in the order of time."""
        ours = [Change(move.answered_s, str(move.version), move.shares) for move in self.moves]
        theirs = [
            Change(first, str(version), shares.get(str(version), {}))
            for version in foreign
            if (first := self.first_of(version)) is not None
        ]
        return tuple(sorted([*ours, *theirs], key=lambda change: change.at_s))

    def checks(self, shares: Mapping[str, Mapping[str, float]], draw: Random) -> tuple[Check, ...]:
        """`shares` are the fractions of every version that is known. The moments of moves by others are not, so only ours are held."""
        return (self._nothing_lost(), self._one_version(), self._no_way_back(), self._right_shares(shares, draw), self._numbers(shares))

    def _nothing_lost(self) -> Check:
        sent = self.sent + self.answered
        errors = ", ".join(f"{count:,} x {what}" for what, count in sorted(self.failed.items()))
        relayed = f"; errors of the models' own, which is no loss: {errors}" if errors else ""
        if not sent:
            return Check("nothing lost", False, "nothing was sent, so nothing was proved")
        if not self.lost:
            return Check("nothing lost", True, f"{plural(sent, 'request')} with the warm-up, each answered by a model{relayed}")
        lost = ", ".join(f"{count:,} {how}" for how, count in sorted(self.lost.items()))
        return Check("nothing lost", False, f"{self.lost.total():,} of {plural(sent, 'request')} lost: {lost}{relayed}")

    def _one_version(self) -> Check:
        wrong = Counter[str]()
        for seen in self._seen.values():
            if not seen.number or not seen.model or "," in seen.model:
                said = f"x-config-version {seen.version!r}, served-model-name {seen.model!r}"
                wrong[said] += seen.count
        found = [f"{count:,} with {said}" for said, count in sorted(wrong.items()) if count]
        wrongly = f"not one version and one model in {', '.join(found)}"
        return Check("one version per answer", not found, wrongly if found else f"{plural(self.answered, 'answer')}, one version in each")

    def _no_way_back(self) -> Check:
        late = Counter[str]()
        for seen in self._seen.values():
            if seen.number:
                late[seen.version] += seen.late
        found = [f"{plural(count, 'answer')} by version {version}" for version, count in late.items() if count]
        back = f"{', '.join(found)} to requests that were sent after a later version was confirmed"
        followed = sum(self.first_of(move.version) is not None for move in self.moves)
        fine = f"after each of {plural(followed, 'confirmed change')} its version or a later one answered"
        return Check("no version goes back", not found, back if found else fine)

    def _right_shares(self, shares: Mapping[str, Mapping[str, float]], draw: Random) -> Check:
        counts: dict[str, Counter[str]] = {}
        for seen in self._seen.values():
            if seen.number and seen.model and seen.count:
                counts.setdefault(seen.version, Counter())[seen.model] += seen.count
        judged = {version: some for version, some in counts.items() if version in shares}
        wrong, few, least = [], [], (2.0, "")
        for version, some in sorted(judged.items(), key=lambda item: int(item[0])):
            p, text = _judge(version, some, shares[version], draw, self.unnamed)
            least = min(least, (p, text))
            if p < LEAST_P / len(judged):
                wrong.append(text)
            elif sum(some.values()) < answers_needed(min(filter(None, shares[version].values()), default=1.0)):
                few.append(version)
        too_few = f"; too few answers to judge of version {', '.join(few)}" if few else ""
        all_ = f"{plural(len(judged), 'version')}, {plural(self.answered, 'answer')} with the warm-up"
        fine = f"{all_}; the least likely: {least[1]}{too_few}"
        is_judged = len(few) < len(judged)
        return Check("shares right within each version", is_judged and not wrong, "; ".join(wrong) or (fine if judged else "no answers"))

    def _numbers(self, shares: Mapping[str, Mapping[str, float]]) -> Check:
        seen = {seen.number for seen in self._seen.values() if seen.number and seen.count}
        wrong = [f"version {version} answered, and nobody has put it in force" for version in sorted(seen) if str(version) not in shares]
        for move in self.moves:
            first = self.first_of(move.version)
            if first is not None and first < move.asked_s:
                wrong.append(f"version {move.version} answered {move.asked_s - first:.3f} s before it was asked for")
        named = f"answers name {plural(len(seen), 'version')}, {min(seen)} to {max(seen)}, all of them known" if seen else "no answers"
        return Check("versions as confirmed", not wrong, "; ".join(wrong) or named)


def _judge(version: str, counts: Mapping[str, int], shares: Mapping[str, float], draw: Random, unnamed: int) -> tuple[float, str]:
    """How often a right split is as far off as this one or further, and what it was. 0 and 100 % are exact. `unnamed` more may have been
    sent to any model: they are taken to be what is lacking, lest a model that hangs makes splitter's choice look wrong."""
    total = sum(counts.values())
    strangers = [model for model in counts if not shares.get(model)]
    if strangers:
        what = ", ".join(f"{counts[model]:,} by {visible(model)}, which has {percent(shares.get(model, 0))}" for model in strangers)
        return 0.0, f"version {version}: of {plural(total, 'answer')} {what}"
    drawn = {model: share for model, share in shares.items() if share}
    found = filled([counts.get(model, 0) for model in drawn], list(drawn.values()), unnamed)
    test, p = _fit(found, list(drawn.values()), draw)
    parts = ", ".join(f"{model} {percent(counts.get(model, 0) / total)} instead of {percent(share)}" for model, share in drawn.items())
    return p, f"version {version}: {parts} in {plural(total, 'answer')} ({test}, {chance(p)})"


def _fit(counts: Sequence[int], shares: Sequence[float], draw: Random) -> tuple[str, float]:
    test, p = goodness_of_fit(counts, shares, draw)
    if "simulated" not in test:
        return test, p
    # However wrong a split is, p of a simulation is never below one in its repetitions, and what has to be decided here is rarer.
    total = sum(counts)
    rarest = min(exact_binomial(count, total, share) for count, share in zip(counts, shares, strict=True))
    return "exact binomial for each", min(1.0, len(counts) * rarest)
