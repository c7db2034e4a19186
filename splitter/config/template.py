"""The file that `splitter init URL…` writes: the short form, with what one wants to know next as comments."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from splitter.routing.url import parse_upstream_url

DEFAULT_NAME = "my-endpoint"
SCHEMA_FILE = ".splitter.schema.json"
"""The JSON Schema, as it is called in a folder of configuration."""
EDITOR_LINE = f"# yaml-language-server: $schema={SCHEMA_FILE}\n"
"""The first line of every file that splitter writes. What follows the `=` is relative to the file."""

_PLAIN = re.compile(r"http://[A-Za-z0-9._-]+(:[0-9]+)?(/[A-Za-z0-9._/-]*)?")
_HEAD = """\
# splitter: one endpoint, requests split over the model servers below by the percentages under `traffic`.
# Check this file with `splitter validate`, serve it with `splitter serve`. A saved change is in force within a second, and no
# request is lost; a mistake is reported with line and column, and what was in force before stays.
endpoints:
  my-endpoint:                      # clients: POST /serving-endpoints/my-endpoint/invocations
    served_models:
"""
_FOOT = """\
    # The defaults, in seconds:
    # timeouts: {connect: 2, first_byte: 297, idle: 60, total: 297}
    # forward_credentials: true     # send the client's Authorization and cookies to the model servers
"""
_REST = "rest               # what the others leave; the percentages always sum to 100"
_CANARY = "10                 # the one number of a canary: raise it step by step, 0 sends nothing"
_NONE = "0                  # no share; reachable by its name alone"
_CANDIDATE = """\
      # challenger:
      #   url: http://127.0.0.1:5002/invocations
      #   traffic: 10               # the one number of a canary
"""


def commented_file(urls: Sequence[str], name: str = DEFAULT_NAME) -> str:
    """A configuration with one endpoint and a served model for each URL: `current` takes the rest, `challenger` 10, others 0.
    The endpoint's `name` is written as it is given. `EDITOR_LINE` comes first.

    Raises:
        ValueError: no URL, too many, or one is not that of a model server; a sentence.
    """
    if not 1 <= len(urls) <= 15:
        raise ValueError(f"an endpoint has 1 to 15 served models, so give 1 to 15 URLs, not {len(urls)}")
    rows = [_row(model, url, traffic) for (model, traffic), url in zip(_roles(len(urls)), urls, strict=True)]
    return EDITOR_LINE + _HEAD.replace(DEFAULT_NAME, name) + "".join(rows) + (_CANDIDATE if len(urls) == 1 else "") + _FOOT


def _roles(count: int) -> list[tuple[str, str]]:
    later = [(f"challenger-{number}", _NONE) for number in range(2, count)]
    return [("current", _REST), ("challenger", _CANARY), *later][:count]


def _row(name: str, url: str, traffic: str) -> str:
    text = str(parse_upstream_url(url))
    # Beyond these characters, quotes as JSON writes them: a plain word may end at a `#` or a `:`, or mean something else.
    written = text if _PLAIN.fullmatch(text) else json.dumps(text)
    return f"      {name}:\n        url: {written}\n        traffic: {traffic}\n"
