from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from splitter.demo.banner import banner


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "demo.yaml"
    file.write_text("endpoints:\n  demo:\n    served_models:\n      a: {traffic: rest}\n      b: {traffic: 12}\n")
    return file


def test_the_first_url_is_that_of_splitter(file: Path) -> None:
    text = banner("http://127.0.0.1:8080", 8080, file, "made just now", [41001, 41002], "splitter")
    assert re.findall(r"https?://\S+", text)[0] == "http://127.0.0.1:8080"


def test_it_names_the_line_and_the_number_to_change_and_how_to_stop(file: Path) -> None:
    text = banner("http://127.0.0.1:8080", 8080, file, "made just now", [41001, 41002], "splitter")
    assert f"{file}:5   change 12 " in text
    assert "http://127.0.0.1:8080/metrics" in text
    assert f"Ctrl-C, or kill {os.getpid()};" in text
    assert "splitter traffic set demo challenger=50 --server http://127.0.0.1:8080\n" in text
    assert "taken" not in text


def test_it_says_so_when_the_port_was_taken(file: Path) -> None:
    text = banner("http://127.0.0.1:40000", 8080, file, "made just now", [41001, 41002], "splitter")
    assert "port 8080 is taken" in text


def test_a_file_without_a_number_is_still_named(file: Path) -> None:
    file.write_text("models: {}\n")
    assert f"edit       {file}\n" in banner("http://127.0.0.1:8080", 8080, file, "as you left it", [41001, 41002], "splitter")
