from __future__ import annotations

import time

from splitter.config.compiled import compile_sources
from splitter.config.source import read_source
from splitter.routing.snapshot import build_endpoint
from tests.config.compiling import sources

ONE = "endpoints: {m: {served_models: {a: {url: http://h}}}}"
OTHER = "endpoints:\n  m: {served_models: {b: {url: http://g}}}"
BAD = "endpoints: {n: {served_models: {a: {url: https://h}}}}"


def test_a_name_in_two_files_names_both_places_and_the_first_keeps_it() -> None:
    compiled = compile_sources(sources(a=ONE, b=OTHER))
    (problem,) = compiled.problems
    assert str(problem) == 'b.yaml:2:3: error: the endpoint "m" is already defined at a.yaml:1:13; rename or remove one of them'
    assert problem.files == {"a.yaml", "b.yaml"}
    assert compiled.endpoints["m"].place.file == "a.yaml"


def test_a_file_with_a_problem_gives_no_endpoint() -> None:
    compiled = compile_sources(sources(a=ONE + "x: 1\n", b=OTHER.replace("m:", "n:")))
    assert len(compiled.problems) == 1
    assert set(compiled.endpoints) == {"n"}


def test_the_order_of_the_sources_decides_who_is_told() -> None:
    one, other = sources(a=ONE, b=OTHER)
    (problem,) = compile_sources([other, one]).problems
    assert problem.place.file == "a.yaml"


def test_all_problems_of_all_files_come_sorted_by_place() -> None:
    compiled = compile_sources(sources(c=BAD, b=OTHER, a=ONE, d="x: {"))
    assert [problem.place.file for problem in compiled.problems] == ["a.yaml", "c.yaml", "d.yaml"]
    assert set(compiled.endpoints) == {"m"}


def test_hundred_endpoints_compile_well_below_their_time_and_build() -> None:
    rows = "".join(
        f"  e{i}:\n    served_models:\n"
        f"      a: {{entity_name: model-A, entity_version: 1, traffic: rest}}\n"
        f"      b: {{url: http://127.0.0.1:5002, traffic: 10}}\n"
        for i in range(100)
    )
    data = f"models: {{model-A: {{1: http://127.0.0.1:5001}}}}\nendpoints:\n{rows}".encode()
    begin = time.perf_counter()
    compiled = compile_sources([read_source("f.yaml", data)])
    took_s = time.perf_counter() - begin
    assert not compiled.problems
    assert len(compiled.endpoints) == 100
    assert took_s < 0.1  # measured: 0.025
    for endpoint in compiled.endpoints.values():
        built = build_endpoint(endpoint.document(1, {"a": 1, "b": 2}))
        assert built.split.bounds == (9000, 10_000)
