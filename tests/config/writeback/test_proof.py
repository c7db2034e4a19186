"""What would slip through if an edit went wrong: each kind of damage has an objection of its own."""

from __future__ import annotations

import pytest

from splitter.config.source import read_source
from splitter.config.writeback.proof import objection
from tests.config.writeback.rewriting import source_of, targets_of

BEFORE = """\
# head
models: {A: {1: "http://a1"}, "*": "http://{entity_name}.x"}
endpoints:
  m:
    served_models:
      a: {entity_name: A, entity_version: 1, traffic: rest, environment_vars: {K: plain}}   # about a
      b: {url: http://b, traffic: 10, environment_vars: {K: plain}}
  other:
    served_models: {x: {url: http://x, environment_vars: {K: "plain"}}}
"""
WANTED = BEFORE.replace("traffic: 10", "traffic: 20")


def found(after: str, wanted: str = WANTED, *removed: str, dropped: tuple[tuple[int, int], ...] = ()) -> str | None:
    targets = {"m": targets_of(wanted)["m"], **dict.fromkeys(removed)}
    return objection(source_of(BEFORE), read_source("f.yaml", after.encode()), targets, dropped)


def test_the_right_text_has_no_objection() -> None:
    assert found(WANTED) is None
    assert found(WANTED[: WANTED.index("  other")], WANTED, "other", dropped=((WANTED.index("  other"), len(WANTED)),)) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("traffic: 20", "traffic: 200"), "would not be readable"),
        (("traffic: 20", "traffic: 10"), "would not be what was asked for"),
        (("url: http://b,", "url: http://c,"), "would not be what was asked for"),
        (("  other:", "  another:"), "other endpoints"),
        (("http://x", "http://y"), '"other" would change'),
        (('{K: "plain"}', "{K: plain}"), '"other" would change'),
        (
            ("traffic: 20, environment_vars: {K: plain}", "traffic: 20, environment_vars: {K: other}"),
            'environment_vars of the endpoint "m"',
        ),
        (("http://a1", "http://a2"), "the models would change"),
        (('"http://{entity_name}.x"', '"http://{entity_name}.y"'), "the models would change"),
        (("# head\n", ""), "the comment # head would be lost"),
        (("   # about a", ""), "the comment # about a would be lost"),
        (("# about a", "# about b"), "the comment # about a would be lost"),
    ],
)
def test_damage_is_objected_to(change: tuple[str, str], reason: str) -> None:
    assert change[0] in WANTED
    assert reason in (found(WANTED.replace(*change)) or "")


def test_an_endpoint_that_is_left_over_or_missing() -> None:
    assert "other endpoints" in (found(WANTED, WANTED, "other") or "")
    assert "other endpoints" in (found(WANTED[: WANTED.index("  other")]) or "")
    moved = "models: {}\nendpoints:\n  b: {served_models: {x: {url: http://x}}}\n  a: {served_models: {x: {url: http://x}}}\n"
    before = source_of(moved)
    swapped = "models: {}\nendpoints:\n  a: {served_models: {x: {url: http://x}}}\n  b: {served_models: {x: {url: http://x}}}\n"
    assert objection(before, source_of(swapped), {}, ()) == "the result would hold other endpoints"


def test_a_comment_twice_has_to_stay_twice() -> None:
    text = "# c\nendpoints: {m: {served_models: {a: {url: http://a}}}}\n# c\n"
    assert "# c would be lost" in (objection(source_of(text), source_of(text[4:]), {}, ()) or "")
    assert objection(source_of(text), source_of(text[4:]), {}, ((0, 3),)) is None
    # A number sign in a value is no comment.
    text = 'endpoints: {m: {description: "# c", served_models: {a: {url: http://a}}}}\n'
    assert objection(source_of(text), source_of(text.replace('"# c"', "x")), {"m": targets_of(text.replace('"# c"', "x"))["m"]}, ()) is None
