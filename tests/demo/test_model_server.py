from __future__ import annotations

import pytest
from pytest_aiohttp.plugin import AiohttpClient

import splitter
from splitter.demo.model_server import CHALLENGER, CURRENT, Model, make_application

ROW = {"inputs": [[1, 2], [3, 4]]}


async def test_the_two_models_answer_differently(aiohttp_client: AiohttpClient) -> None:
    answers = []
    for model in (CURRENT, Model(CHALLENGER.name, CHALLENGER.intercept, CHALLENGER.slope)):
        client = await aiohttp_client(make_application(model))
        answer = await client.post("/invocations", json=ROW)
        assert answer.status == 200
        answers.append(await answer.json())
    assert answers == [{"predictions": [1.5, 3.5]}, {"predictions": [2.8, 5.2]}]


@pytest.mark.parametrize(
    "document",
    [
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}},
        {"dataframe_records": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]},
        {"instances": [[1, 2], [3, 4]]},
        {"inputs": {"a": [1, 3], "b": [2, 4]}},
    ],
)
async def test_every_json_format_is_served(aiohttp_client: AiohttpClient, document: dict[str, object]) -> None:
    client = await aiohttp_client(make_application(CURRENT))
    answer = await client.post("/invocations", json=document)
    assert answer.content_type == "application/json"
    assert await answer.json() == {"predictions": [1.5, 3.5]}


async def test_csv_is_served(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(make_application(CURRENT))
    answer = await client.post("/invocations", data=b"a,b\n1,2\n", headers={"Content-Type": "text/csv; charset=utf-8"})
    assert await answer.json() == {"predictions": [1.5]}


async def test_a_prediction_that_is_no_number_is_null(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(make_application(CURRENT))
    answer = await client.post("/invocations", data=b"a\nnan\n", headers={"Content-Type": "text/csv"})
    assert await answer.json() == {"predictions": [None]}


async def test_bad_input_is_400_with_the_error_body_of_mlflow(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(make_application(CURRENT))
    answer = await client.post("/invocations", data=b"{", headers={"Content-Type": "application/json"})
    document = await answer.json()
    assert (answer.status, document["error_code"], sorted(document)) == (400, "BAD_REQUEST", ["error_code", "message"])


async def test_other_content_types_are_415(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(make_application(CURRENT))
    answer = await client.post("/invocations", data=b"<x/>", headers={"Content-Type": "text/xml"})
    assert answer.status == 415
    assert "text/xml" in await answer.text()


async def test_the_health_of_mlflow(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(make_application(CURRENT))
    for path, text in (("/ping", "\n"), ("/health", "\n"), ("/version", splitter.__version__)):
        answer = await client.get(path)
        assert (answer.status, await answer.text()) == (200, text)


async def test_faults_come_at_their_rate_and_the_same_in_every_run(aiohttp_client: AiohttpClient) -> None:
    faulty = Model("model-B", intercept=0, slope=1, fault_rate=0.2, seed=7)
    runs = []
    for _ in range(2):
        client = await aiohttp_client(make_application(faulty))
        answers = [await client.post("/invocations", json=ROW) for _ in range(100)]
        runs.append([answer.status for answer in answers])
        failed = next(answer for answer in answers if answer.status != 200)
        assert (await failed.json())["error_code"] == "INTERNAL_ERROR"
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}
    assert 10 <= runs[0].count(500) <= 30
