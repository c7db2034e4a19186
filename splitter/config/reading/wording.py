"""The first mistakes in a YAML file in plain words: what libyaml says of them is right, and hard to read."""

from __future__ import annotations

import yaml

from splitter.config.problems import Place, Problem

_UNCLOSED = "the quote that opens here is never closed"
_SENTENCES = {
    "did not find expected ',' or '}'": "expected ',' or '}'{before}: is a comma missing{between}?",
    "did not find expected ',' or ']'": "expected ',' or ']'{before}: is a comma missing{between}?",
    "did not find expected key": "expected a new key{before}: is the line indented wrongly, or is a quote or a bracket left over?",
    "did not find expected '-' indicator": "expected another list item ('- '){before}: does the indentation match?",
    "did not find expected node content": "expected a value{before}: is there a comma or a bracket too many?",
    "did not find expected <document start>": "nothing may stand here: the lines above are indented further, or ended by '...'",
    "mapping values are not allowed in this context": (
        "a ':' cannot stand here: is the line indented wrongly, or does a value that holds ': ' need quotes?"
    ),
    "could not find expected ':'": "expected a ':' after the key that begins at {context}",
    "block sequence entries are not allowed in this context": "a list cannot begin here: put its '- ' on a line of its own",
    "mapping keys are not allowed in this context": "a '?' cannot begin a value: quote the value",
    "found unknown escape character": "unknown escape in double quotes: write a backslash as \\\\, or use single quotes",
    "found invalid Unicode character escape code": "this is not the code of a character: write the character itself",
    "found a tab character that violates indentation": "a tab cannot be used for indentation: use spaces",
    "did not find expected comment or line break": "only a comment may follow '|' or '>' on its line: put the text below, indented",
}
_CANNOT_BEGIN = "found character that cannot start any token"
_CLOSER = {"while parsing a flow mapping": "'}'", "while parsing a flow sequence": "']'"}


def explain(file: str, text: str, error: yaml.MarkedYAMLError) -> Problem:
    """The problem at the place where reading had to stop, or, of a quote that is never closed, where it opens."""
    raw = str(error.problem)
    context = _place(file, error.context_mark)
    place = _place(file, error.problem_mark) or context or Place(file)
    at = "" if error.problem_mark is None else text[error.problem_mark.index : error.problem_mark.index + 1]
    if raw == "found unexpected end of stream" and context is not None:
        return Problem.at(context, _UNCLOSED)
    if raw == _CANNOT_BEGIN:
        return Problem.at(place, _cannot_begin(at))
    return Problem.at(place, _sentence(raw, at, context) + _opened(str(error.context), context))


def _sentence(raw: str, at: str, context: Place | None) -> str:
    sentence = _SENTENCES.get(raw)
    if sentence is None:
        return f"this is not YAML: {raw}"
    if not at and ("expected a value" in sentence or "is a comma missing" in sentence):
        return sentence.partition("{before}")[0] + " before the end of the file: is a closing bracket missing?"
    # Without its comma, `{a: x b: 1}` is one long value up to the second colon: that is where reading stops.
    between = " between two fields" if at == ":" else ""
    before = f" before this '{at}'" if at.strip() else " here" if at else " before the end of the file"
    where = "the start" if context is None else f"line {context.line}, column {context.column}"
    return sentence.replace("{before}", before).replace("{between}", between).replace("{context}", where)


def _opened(what: str, context: Place | None) -> str:
    closer = _CLOSER.get(what)
    if closer is None or context is None:
        return ""
    return f" What is to end with {closer} begins at line {context.line}, column {context.column}."


def _cannot_begin(at: str) -> str:
    if at == "\t":
        return "a tab cannot be used for indentation: use spaces"
    return f"a value cannot begin with '{at}': put it in quotes"


def _place(file: str, mark: yaml.error.Mark | None) -> Place | None:
    return None if mark is None else Place(file, mark.line + 1, mark.column + 1)
