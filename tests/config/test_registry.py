from __future__ import annotations

import pytest

from splitter.config.compiled import Compiled, compile_sources
from tests.config.compiling import messages, sources


def using(name: str, version: str = "1", endpoint: str = "m") -> str:
    """An endpoint with one entity that is to be looked up."""
    return f"endpoints: {{{endpoint}: {{served_models: {{a: {{entity_name: {name}, entity_version: {version}}}}}}}}}"


def together(**texts: str) -> Compiled:
    return compile_sources(sources(**texts))


def urls(compiled: Compiled) -> tuple[str, ...]:
    assert not compiled.problems, compiled.problems
    return compiled.endpoints["m"].entities[0].urls


def test_models_of_any_file_serve_the_endpoints_of_all() -> None:
    found = together(a=using("cat.sch.x", '"1"'), b="models: {cat.sch.x: {1: [http://h:1, http://h:2/y]}}")
    assert urls(found) == ("http://h:1/invocations", "http://h:2/y")


def test_a_url_of_its_own_comes_first_then_the_registry_then_the_pattern() -> None:
    models = 'models: {x: {1: http://named}, "*": "http://{entity_name}-v{entity_version}.models:8080/{entity_version}"}'
    own = "endpoints: {m: {served_models: {a: {url: http://own, entity_name: x, entity_version: 1}}}}"
    assert urls(together(a=own, b=models)) == ("http://own/invocations",)
    assert urls(together(a=using("x"), b=models)) == ("http://named/invocations",)
    assert urls(together(a=using("x", "2"), b=models)) == ("http://x-v2.models:8080/2",)


def test_what_a_pattern_is_filled_with_is_percent_encoded() -> None:
    found = together(a=using('"a/b?c#d"', '"{entity_name}"'), b='models: {"*": ["http://h/{entity_name}", "http://g/{entity_version}"]}')
    assert urls(found) == ("http://h/a%2Fb%3Fc%23d", "http://g/%7Bentity_name%7D")


def test_a_pattern_that_gives_no_url_for_a_model_names_both_places() -> None:
    found = together(a=using('"a b"'), b='models: {"*": "http://{entity_name}.models"}')
    (problem,) = found.problems
    assert str(problem).startswith('a.yaml:1:50: error: "a" of endpoint "m": the pattern at b.yaml:1:15 gives no URL for a b version 1')
    assert problem.files == {"a.yaml", "b.yaml"}


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ('{"*": "http://{name}"}', "unknown placeholder {name}; known are {entity_name} and {entity_version}"),
        ('{"*": "https://{entity_name}"}', "https:// upstreams are not supported yet"),
        ('{"*": {1: http://h}}', "expected a URL, not a mapping"),
        ("{x: http://h}", "expected versions, each with a URL"),
        ('{"a\\nb": {1: http://h}}', '"a\\nb" is not a name or a version'),
        ("{x: {1.10: http://h}}", 'write "1.10"'),
        ("{x: {1: h:2}}", "does not start with http://"),
        ("{x: {1: 12}}", "does not start with http://"),
        (f"{{x: {{1: http://h/{'a' * 2048}}}}}", "a URL has at most 2048 characters"),
        ("{x: {1: http://h, '1': http://g}}", 'the key "1" stands twice'),
    ],
)
def test_what_is_refused_under_models(models: str, said: str) -> None:
    (message,) = messages(f"models: {models}")
    assert said in message


def test_the_same_version_in_two_files_names_both_places() -> None:
    found = together(a="models: {x: {1: http://h}}", b="models:\n  x:\n    1: http://g")
    (problem,) = found.problems
    assert str(problem) == "b.yaml:3:5: error: x version 1 is already registered at a.yaml:1:14; keep one of them"
    assert problem.files == {"a.yaml", "b.yaml"}


def test_the_pattern_in_two_files_names_both_places() -> None:
    found = together(a='models: {"*": http://h}', b='models: {"*": http://g}')
    assert [str(p) for p in found.problems] == ['b.yaml:1:10: error: the pattern "*" already stands at a.yaml:1:10; keep one of them']


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ("endpoints: {}", "no file registers any model: write `models: {model-A: {1: http://127.0.0.1:5001}}`, or give it a url"),
        ("models: {model-A: {3: http://h, 2: http://h}}", "of model-A there is version 2, 3"),
        ("models: {zzz: {1: http://h}}", "registered are zzz"),
        ("models: {model_A: {1: http://h}}", 'registered are model_A; did you mean "model_A"?'),
        ("models: {x", "(b.yaml could not be read whole, so more may be registered there)"),
    ],
)
def test_a_model_that_is_not_found_says_what_was_looked_for_and_what_exists(models: str, said: str) -> None:
    lines = [str(problem) for problem in together(a=using("model-A"), b=models).problems]
    assert '"a" of endpoint "m" has no url, and model-A version 1 is not registered under `models:`' in lines[0]
    assert lines[0].endswith(said)


def test_a_file_with_an_error_elsewhere_has_its_models_read_whole() -> None:
    broken = "endpoints: {x: {served_models: {m: {url: http://h, trafic: 1}}}}\nmodels: {zzz: {1: http://h}}"
    missing = [str(problem) for problem in together(a=using("model-A"), b=broken).problems if "not registered" in str(problem)]
    assert missing
    assert not any("could not be read whole" in line for line in missing)
