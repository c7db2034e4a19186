from __future__ import annotations

import re

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from splitter.config.writeback.meaning import facts
from splitter.config.writeback.rewrite import CannotEdit, rewrite
from tests.config.writeback.generated_files import files
from tests.config.writeback.generated_models import ENDPOINT_NAMES, Draw, Model, document, entities, models, shares
from tests.config.writeback.rewriting import source_of, targets_of

SHARE = re.compile(r"""(traffic(?:_percentage)?"?:\s*["']?)[a-z0-9.]+""")
RELAXED = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@st.composite
def written(draw: Draw, is_odd: bool = False) -> tuple[list[Model], str]:
    wanted = [draw(models(name)) for name in ENDPOINT_NAMES[: draw(st.integers(1, 3))]]
    return wanted, draw(files(wanted, is_odd))


@given(written())
@RELAXED
def test_a_target_that_is_met_changes_no_byte(case: tuple[list[Model], str]) -> None:
    wanted, text = case
    source = source_of(text)
    assert rewrite(source, targets_of(document(*wanted))) == source.data


@given(written(), st.data())
@RELAXED
def test_a_new_share_is_never_refused_and_touches_only_shares(case: tuple[list[Model], str], data: st.DataObject) -> None:
    wanted, text = case
    for model in wanted:
        model["tickets"] = data.draw(shares(len(model["entities"])))
    after = checked(text, wanted, [])
    assert comments(after) == comments(text)
    if after.count("traffic") == text.count("traffic"):
        assert SHARE.sub(r"\1N", after) == SHARE.sub(r"\1N", text)


@given(written(), st.data())
@RELAXED
def test_what_removes_nothing_keeps_every_comment(case: tuple[list[Model], str], data: st.DataObject) -> None:
    wanted, text = case
    targets = []
    for model in wanted:
        rows = [dict(entity) for entity in model["entities"]]
        rows[0]["name"] = data.draw(st.sampled_from([rows[0]["name"], "renamed"]))
        rows.insert(data.draw(st.integers(0, len(rows))), data.draw(entities("fresh")))
        rows = data.draw(st.permutations(rows))
        targets.append(
            {**model, "entities": rows, "tickets": data.draw(shares(len(rows))), "forward_credentials": data.draw(st.booleans())}
        )
    assert comments(checked(text, targets, [])) == comments(text)


@given(written(), st.data())
@RELAXED
def test_any_target_is_met_or_refused_and_every_comment_stays(case: tuple[list[Model], str], data: st.DataObject) -> None:
    wanted, text = case
    refusal = attempted(text, *fates(data.draw, wanted))
    assert refusal is None or "body of one endpoint" in refusal


@given(written(is_odd=True), st.data())
@RELAXED
def test_odd_files_are_edited_or_refused(case: tuple[list[Model], str], data: st.DataObject) -> None:
    wanted, text = case
    refusal = attempted(text, *fates(data.draw, wanted))
    assert refusal is None or re.fullmatch(r"f\.yaml:\d+: .*; edit the file by hand", refusal, re.DOTALL)
    event(str(refusal)[:60])


def attempted(text: str, targets: list[Model], removed: list[str]) -> str | None:
    """Why it was refused; None if it was done."""
    try:
        checked(text, targets, removed)
    except CannotEdit as exc:
        return str(exc)
    return None


def fates(draw: Draw, wanted: list[Model]) -> tuple[list[Model], list[str]]:
    """Targets, and the names of endpoints to remove."""
    targets, removed = [], []
    for model in wanted:
        fate = draw(st.sampled_from(["stays", "removed", "changes", "changes", "new"]))
        if fate == "removed":
            removed.append(model["name"])
        elif fate == "changes":
            targets.append(changed(draw, model))
        elif fate == "new":
            targets.append(draw(models(model["name"])))
    if draw(st.booleans()):
        targets.append(draw(models("added")))
    return targets, removed


def changed(draw: Draw, model: Model) -> Model:
    """A few changes, as people make them."""
    rows = [dict(entity, kept=dict(entity["kept"])) for entity in model["entities"]]
    tickets = list(model["tickets"])
    for _ in range(draw(st.integers(1, 3))):
        number = draw(st.integers(0, len(rows) - 1))
        free = [name for name in ["fresh", "v1", "7", "off", "null"] if name not in [row["name"] for row in rows]]
        match draw(st.sampled_from(["rename", "add", "remove", "move", "urls", "version", "kept", "flag"])):
            case "rename":
                rows[number]["name"] = draw(st.sampled_from(free))
            case "add" if len(rows) < 5:
                rows.insert(number, draw(entities(draw(st.sampled_from(free)))))
            case "remove" if len(rows) > 1:
                del rows[number]
            case "move":
                rows.append(rows.pop(number))
            case "urls":
                rows[number]["urls"] = draw(entities("x").filter(lambda entity: entity["urls"]))["urls"]
            case "version":
                rows[number] |= {"entity_name": "A", "entity_version": draw(st.sampled_from(["3", "1.0"]))}
            case "kept":
                rows[number]["kept"] = draw(entities("x"))["kept"]
            case "flag":
                rows[number]["idempotent"] = not rows[number]["idempotent"]
    if len(rows) != len(tickets) or draw(st.booleans()):
        tickets = draw(shares(len(rows)))
    fields = draw(models("x")) if draw(st.booleans()) else model
    return {**fields, "name": model["name"], "entities": rows, "tickets": tickets}


def checked(text: str, targets: list[Model], removed: list[str]) -> str:
    """The text after a rewrite that was checked against what was asked for."""
    source = source_of(text)
    wanted = {**targets_of(document(*targets)), **dict.fromkeys(removed)}
    data = rewrite(source, wanted)
    after = {drafted.draft.name: drafted for drafted in source_of(data).endpoints}
    for drafted in source.endpoints:
        name = drafted.draft.name
        if name not in wanted:
            assert facts(after[name]) == facts(drafted)
    assert {name for name, target in wanted.items() if target} <= after.keys()
    assert not after.keys() & set(removed)
    for name, target in wanted.items():
        assert target is None or facts(after[name]) == facts(target)
    assert [name for name in after if name in {d.draft.name for d in source.endpoints}] == [
        drafted.draft.name for drafted in source.endpoints if drafted.draft.name not in removed
    ]
    assert line_ends(data.decode()) <= (line_ends(text) or {"\n"})
    return data.decode()


def line_ends(text: str) -> set[str]:
    return set(re.findall(r"\r\n|\r|\n", text))


def comments(text: str) -> list[str]:
    return sorted(re.findall(r"# comment \d+: {x} 'it", text))
