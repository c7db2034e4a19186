from __future__ import annotations

import pytest

from splitter.config.template import commented_file
from tests.config.compiling import endpoint

URLS = ["http://127.0.0.1:5001", "http://h/a?x=1&y=on", "http://[::1]:5002/", "http://h4"]


@pytest.mark.parametrize(("count", "tickets"), [(1, [10_000]), (2, [9000, 1000]), (4, [9000, 1000, 0, 0])])
def test_the_file_is_valid_and_splits_as_it_says(count: int, tickets: list[int]) -> None:
    found = endpoint(commented_file(URLS[:count]))
    assert [entity.tickets for entity in found.entities] == tickets
    resolved = ["http://127.0.0.1:5001/invocations", "http://h/a?x=1&y=on", "http://[::1]:5002/", "http://h4/invocations"]
    assert [entity.urls for entity in found.entities] == [(url,) for url in resolved[:count]]


def test_the_endpoint_may_be_given_a_name() -> None:
    text = commented_file(URLS[:1], "other")
    assert endpoint(text).name == "other"
    assert "my-endpoint" not in text


def test_a_plain_url_is_written_plainly() -> None:
    assert "url: http://127.0.0.1:5001/invocations\n" in commented_file(URLS[:1])
    assert 'url: "http://h/a?x=1&y=on"\n' in commented_file(URLS[:2])


def test_the_candidate_in_the_comment_is_valid_when_it_is_uncommented() -> None:
    text = commented_file(URLS[:1])
    assert [e.name for e in endpoint(text.replace("\n      # ", "\n      ")).entities] == ["current", "challenger"]


@pytest.mark.parametrize("urls", [[], ["http://h"] * 16, ["https://h"], ["h"]])
def test_what_no_file_can_be_written_of(urls: list[str]) -> None:
    with pytest.raises(ValueError, match=r"http://|1 to 15 URLs"):
        commented_file(urls)
