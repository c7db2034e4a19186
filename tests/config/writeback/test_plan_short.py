"""What is written where in the short form."""

from __future__ import annotations

import pytest

from splitter.config.writeback.rewrite import new_file
from tests.config.writeback.rewriting import m, rewritten, targets_of

A, B, C = "url: http://a/invocations", "url: http://b/invocations", "url: http://c/invocations"


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        # `rest` stays where it is, and follows from the others.
        (
            f"a: {{{A}, traffic: rest}}, b: {{{B}, traffic: 10}}",
            f"a: {{{A}, traffic: 0}}, b: {{{B}, traffic: 100}}",
            f"a: {{{A}, traffic: rest}}, b: {{{B}, traffic: 100}}",
        ),
        # A file without it gets none.
        (
            f"a: {{{A}, traffic: 90}}, b: {{{B}, traffic: 10}}",
            f"a: {{{A}, traffic: 80}}, b: {{{B}, traffic: 15.25}}, c: {{{C}, traffic: 4.75}}",
            f"a: {{{A}, traffic: 80}}, b: {{{B}, traffic: 15.25}}, c: {{{C}, traffic: 4.75}}",
        ),
        # When who had it goes, the largest of those that have to be written takes it over.
        (
            f"a: {{{A}, traffic: rest}}, b: {{{B}, traffic: 10}}, c: {{{C}, traffic: '20'}}",
            f"b: {{{B}, traffic: 30}}, c: {{{C}, traffic: 70}}",
            f"b: {{{B}, traffic: 30}}, c: {{{C}, traffic: 'rest'}}",
        ),
        (
            f"a: {{{A}, traffic: rest}}, b: {{{B}, traffic: 60}}, c: {{{C}, traffic: 30}}",
            f"b: {{{B}, traffic: 60}}, c: {{{C}, traffic: 40}}",
            f"b: {{{B}, traffic: 60}}, c: {{{C}, traffic: rest}}",
        ),
        (
            f"a: {{{A}, traffic: rest}}, b: {{{B}, traffic: 60}}, c: {{{C}, traffic: 40}}",
            f"b: {{{B}, traffic: 60}}, c: {{{C}, traffic: 40}}",
            f"b: {{{B}, traffic: 60}}, c: {{{C}, traffic: 40}}",
        ),
        # A single one needs no share, and gets one when it is not alone any more.
        (f"a: {{{A}}}", f"b: {{{B}}}", f"b: {{{B}}}"),
        (f"a: {{{A}}}", f"a: {{{A}, traffic: 90}}, b: {{{B}, traffic: 10}}", f"a: {{{A}, traffic: rest}}, b: {{{B}, traffic: 10}}"),
        (f"a: {{{A}}}", f"a: {{{A}, traffic: 100}}, b: {{{B}, traffic: 0}}", f"a: {{{A}, traffic: rest}}, b: {{{B}, traffic: 0}}"),
        (f"a: {{{A}}}", f"a: {{{A}, traffic: 0}}, b: {{{B}, traffic: 100}}", f"a: {{{A}}}, b: {{{B}, traffic: rest}}"),
        # Without `traffic` it is 0, and stays so without a word.
        (
            f"a: {{{A}, traffic: 100}}, b: {{{B}}}",
            f"a: {{{A}, traffic: 100}}, b: {{{C}, traffic: 0}}",
            f"a: {{{A}, traffic: 100}}, b: {{{C}}}",
        ),
        (
            f"a: {{{A}, traffic: 100}}, b: {{{B}}}",
            f"a: {{{A}, traffic: 60}}, b: {{{B}, traffic: 40}}",
            f"a: {{{A}, traffic: 60}}, b: {{{B}, traffic: 40}}",
        ),
        (f"a: {{{A}, traffic: 100}}, b: {{{B}}}", f"b: {{{B}}}", f"b: {{{B}}}"),
        # Numbers in quotes stay in quotes, those of new ones too if all are.
        (
            f"a: {{{A}, traffic: '90'}}, b: {{{B}, traffic: \"10\"}}",
            f"a: {{{A}, traffic: 80}}, b: {{{B}, traffic: 15}}, c: {{{C}, traffic: 5}}",
            f'a: {{{A}, traffic: \'80\'}}, b: {{{B}, traffic: "15"}}, c: {{{C}, traffic: "5"}}',
        ),
        (f"a: {{{A}, traffic: 90.00}}, b: {{{B}, traffic: 10.0}}", f"a: {{{A}, traffic: 90}}, b: {{{C}, traffic: 10}}", None),
    ],
)
def test_shares(before: str, wanted: str, after: str | None) -> None:
    assert rewritten(m(before), m(wanted)) == m(after or before.replace(B, C))


@pytest.mark.parametrize("key", ["url", "urls"])
def test_urls_keep_their_word_and_their_spelling(key: str) -> None:
    one, two = m(f"a: {{{key}: http://a, traffic: rest}}"), m(f"a: {{{key}: [http://a, http://b:80/], traffic: rest}}")
    assert rewritten(one, m("a: {url: http://x:81/y}")) == one.replace("http://a", "http://x:81/y")
    assert rewritten(one, m("a: {urls: [http://b/, http://a]}")) == one.replace("http://a", "[http://b/, http://a]")
    assert rewritten(two, m("a: {urls: [http://a, http://c/?q=1]}")) == two.replace("http://b:80/", '"http://c/?q=1"')
    assert rewritten(two, m("a: {url: http://b/}")) == two.replace("http://a, ", "")
    assert rewritten(one, m("a: {entity_name: x, entity_version: '1'}")) == m('a: {traffic: rest, entity_name: x, entity_version: "1"}')
    assert rewritten(m("a: {entity_name: x, entity_version: 1}"), m("a: {url: http://b}")) == m("a: {url: http://b/invocations}")
    assert rewritten(two, one) == two.replace(", http://b:80/", "")
    both = m(f"a: {{{key}: http://a, traffic: rest}}, b: {{{key}: http://b}}")
    wanted = m("a: {url: http://a, traffic: 100}, b: {url: http://b}, c: {urls: [http://c, http://d]}")
    assert f"c: {{{key}: [http://c/invocations, http://d/invocations], traffic: 0}}" in rewritten(both, wanted)


def test_versions_and_the_older_words() -> None:
    before = m("a: {model_name: x, model_version: 1, traffic: rest}, b: {model_name: y, model_version: 1, traffic: 0}")
    wanted = m(
        "a: {entity_name: x, entity_version: 2}, b: {entity_name: on, entity_version: '1.10'}, c: {entity_name: z, entity_version: 3}"
    )
    wanted = wanted.replace("on,", '"on",').replace("2}", "2, traffic: 100}")
    assert rewritten(before, wanted) == m(
        'a: {model_name: x, model_version: 2, traffic: rest}, b: {model_name: "on", model_version: "1.10", traffic: 0}, '
        "c: {model_name: z, model_version: 3, traffic: 0}"
    )
    both = m("a: {model_name: x, entity_name: x, model_version: '1', entity_version: 1}")
    assert rewritten(both, m("a: {entity_name: yy, entity_version: 2}")) == m(
        "a: {model_name: yy, entity_name: yy, model_version: '2', entity_version: 2}"
    )
    assert rewritten(both, m("a: {url: http://a}")) == m("a: {url: http://a/invocations}")


def test_variables_are_left_alone_unless_they_change() -> None:
    before = m('a: {url: http://a/invocations, environment_vars: {A: secret, B: "{{secrets/s/k}}"}, traffic: rest}')
    wanted = m("a: {url: http://a, environment_vars: {A: '', B: '{{secrets/s/k}}', C: '{{secrets/s/l}}'}, idempotent: true}")
    assert rewritten(before, wanted) == before.replace('"}, traffic: rest', '", C: "{{secrets/s/l}}"}, traffic: rest, idempotent: true')
    assert rewritten(before, m("a: {url: http://a, environment_vars: {A: ''}}")) == before.replace(', B: "{{secrets/s/k}}"', "")


def test_fields_of_the_endpoint() -> None:
    before = m(
        f"a: {{{A}}}", "    timeouts: {connect: 2, total: 30}   # t\n    forward_credentials: 'false'\n    tags: [{key: a, value: 1}]\n"
    )
    more = "    timeouts: {connect: 0.5, first_byte: 5}\n    forward_credentials: true\n    tags: [{key: a, value: '2'}]\n"
    more += "    auto_capture_config: {enabled: true}\n    description: on it\n    route_optimized: false\n"
    assert rewritten(before, m(f"a: {{{A}}}", more)) == m(
        f"a: {{{A}}}",
        "    timeouts: {connect: 0.5, total: 297, first_byte: 5}   # t\n    forward_credentials: 'true'\n"
        '    tags: [{key: a, value: "2"}]\n'
        '    description: "on it"\n    route_optimized: false\n    auto_capture_config: {enabled: true}\n',
    )
    assert rewritten(m(f"a: {{{A}}}"), m(f"a: {{{A}}}", "    timeouts: {idle: 1.5}\n")) == m(f"a: {{{A}}}", "    timeouts: {idle: 1.5}\n")


def test_a_new_file_gives_the_rest_to_who_has_it_or_to_the_largest() -> None:
    numbers = targets_of(m(f"a: {{{A}, traffic: 20}}, b: {{{B}, traffic: 50}}, c: {{{C}, traffic: 30}}"))["m"]
    assert [line.split()[-1] for line in new_file(numbers).decode().splitlines() if "traffic" in line] == ["20", "rest", "30"]
    rest = targets_of(m(f"a: {{{A}, traffic: 20}}, b: {{{B}, traffic: 50}}, c: {{{C}, traffic: rest}}"))["m"]
    assert [line.split()[-1] for line in new_file(rest).decode().splitlines() if "traffic" in line] == ["20", "50", "rest"]
