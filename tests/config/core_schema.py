"""What an editor makes of a YAML file: plain values by the core schema of YAML 1.2, which knows nothing of our rules for words."""

from __future__ import annotations

import re
from typing import Any

from splitter.config.problems import Report
from splitter.config.reading.parse import parse
from splitter.config.reading.tree import Mapping, Node, Scalar, Sequence

_INT = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def word(text: str) -> Any:
    """The value of a word without quotes."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    return float(re.sub(r"\.(?=inf|nan)", "", text.lower())) if _FLOAT.fullmatch(text) else text


def document(text: str) -> Any:
    """The values of a whole file, which must be YAML."""
    report = Report()
    root = parse("f.yaml", text.encode(), report)
    assert root is not None, report.problems
    return _value(root)


def _value(node: Node) -> Any:
    if isinstance(node, Mapping):
        return {key.text: _value(value) for key, value in node.entries}  # keys are texts in JSON, whatever they look like
    if isinstance(node, Sequence):
        return [_value(item) for item in node.items]
    assert isinstance(node, Scalar)
    return word(node.text) if node.is_plain else node.text
