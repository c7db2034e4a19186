from __future__ import annotations

import pytest

from splitter.config.writeback.idiom import Idiom, idiom_of
from splitter.config.writeback.proof import endpoint_nodes
from splitter.config.writeback.render import Block, Raw, Style
from tests.config.writeback.rewriting import m, source_of, targets_of


def idiom(text: str) -> Idiom:
    return idiom_of(endpoint_nodes(source_of(text).root)[0], Style())


LONG = """\
endpoints:
- name: m
  config:
    served_models:
    - {name: a, model_name: x, model_version: 1, urls: [http://a]}
    - {name: b, model_name: x, model_version: 2}
    traffic_config:
      routes:
      - traffic_percentage: "100"
        served_model_name: a
        served_entity_name: a
"""


def test_the_words_of_an_endpoint() -> None:
    found = idiom(LONG)
    assert (found.url, found.entity_name, found.entity_version) == ("urls", "model_name", "model_version")
    assert found.route_names == ("served_model_name", "served_entity_name")
    assert (found.plain_versions, found.quoted_shares, found.is_flow, found.has_flow_routes) == (True, True, True, False)
    assert found.percentage(1050) == Raw('"10.5"')
    assert found.version("3") == Raw("3")
    assert found.version("3.1") == Raw('"3.1"')


def test_words_for_what_is_not_there() -> None:
    assert idiom(m("a: {url: http://a}")) == Idiom(Style(), is_flow=True, has_flow_routes=True)
    legacy = idiom("name: m\nconfig: {served_models: [{name: a, url: http://a}]}\n")
    assert (legacy.entity_name, legacy.entity_version, legacy.route_names) == ("model_name", "model_version", ("served_model_name",))
    modern = idiom("name: m\nconfig: {served_entities: [{name: a, url: http://a}]}\n")
    assert (modern.entity_name, modern.entity_version, modern.route_names) == ("entity_name", "entity_version", ("served_entity_name",))


@pytest.mark.parametrize(
    ("shares", "quoted"),
    [(("rest", "'10'"), True), (("'rest'", "10"), False), (("'90'", "10"), False), (("'90'", '"10"'), True), (("100", "0"), False)],
)
def test_shares_are_in_quotes_if_all_numbers_are(shares: tuple[str, str], quoted: bool) -> None:
    found = idiom(m(f"a: {{url: http://a, traffic: {shares[0]}}}, b: {{url: http://b, traffic: {shares[1]}}}"))
    assert found.quoted_shares is quoted
    assert not found.plain_versions


def test_a_new_entity_is_laid_out_as_the_others() -> None:
    (entity,) = targets_of(m("a: {urls: [http://a, http://b], entity_name: x, entity_version: 1, idempotent: true, workload_size: s}"))[
        "m"
    ].draft.entities
    fields = {"url": ["http://a/invocations", "http://b/invocations"], "entity_name": "x", "entity_version": Raw('"1"')}
    assert Idiom(Style()).entity(entity) == {**fields, "idempotent": True, "workload_size": "s"}
    assert Idiom(Style()).laid_out({"url": 1}) == Block({"url": 1})
    assert Idiom(Style(), is_flow=True).laid_out({"url": 1}) == {"url": 1}
    assert Idiom(Style(), is_flow=True).laid_out_route({"url": 1}) == Block({"url": 1})
