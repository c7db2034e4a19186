"""One file of configuration, read: its bytes, its tree, and what stands in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from splitter.config import vocabulary as words
from splitter.config.forms import EndpointDraft, from_long, from_short
from splitter.config.problems import Place, Problem, Report, TooManyProblems, in_order, quoted
from splitter.config.reading import tree
from splitter.config.reading.parse import parse
from splitter.config.reading.schema import Fields, Read
from splitter.config.registry import Models, models_of
from splitter.config.shares import Share, allot


@dataclass(frozen=True, slots=True)
class Drafted:
    """An endpoint of one file with its shares; only the models of other files are missing."""

    draft: EndpointDraft
    shares: Mapping[str, Share]


@dataclass(frozen=True, slots=True)
class Source:
    """One file as it was read. With `problems` it must not be put in force; its endpoints and models are then incomplete."""

    file: str
    data: bytes
    problems: tuple[Problem, ...] = ()
    root: tree.Node | None = None
    endpoints: tuple[Drafted, ...] = ()
    models: Models = field(default_factory=Models)

    @property
    def is_body(self) -> bool:
        """Whether the whole file is a create body of the API, which holds one endpoint and nothing else."""
        return self.root is not None and _is_create_body(self.root)

    @property
    def hides_models(self) -> bool:
        """Whether more may be registered in it than could be read."""
        if not self.problems or not isinstance(self.root, tree.Mapping):
            return bool(self.problems)
        models = self.root.get("models")
        if models is None:
            return False
        text = self.data.decode("utf-8-sig", "replace")
        last = models.place.line + text.count("\n", models.start, models.end)
        return any(models.place.line <= problem.place.line <= last for problem in self.problems)


def read_source(file: str, data: bytes) -> Source:
    """Parse one file and check everything that can be checked without the others. Never raises; see `Source.problems`.

    `file` is the path as it is shown in messages.
    """
    report = Report()
    root: tree.Node | None = None
    endpoints: tuple[Drafted, ...] = ()
    models = Models()
    try:
        root = parse(file, data, report)
        if root is not None:
            drafts, models = _drafts(root, report)
            endpoints = tuple(Drafted(draft, allot(draft, report)) for draft in drafts)
            _check_unique(endpoints, report)
    except TooManyProblems:
        pass
    return Source(file, data, in_order(report.problems), root, endpoints, models)


def unreadable(file: str, reason: str) -> Source:
    """The source of a file that could not be read at all, for example for lack of permission."""
    return Source(file, b"", (Problem.at(Place(file), reason),))


def _drafts(root: tree.Node, report: Report) -> tuple[list[EndpointDraft], Models]:
    if _is_create_body(root):
        body = words.LONG_ENDPOINT.read(root, "the file", report)
        draft = from_long(body.value, report) if body else None
        return [draft] if draft else [], Models()
    read = words.FILE.read(root, "the file", report)
    if read is None:
        return [], Models()
    if isinstance(root, tree.Mapping) and not root.entries:
        report.add(root.place, "the file has neither `endpoints:` nor `models:`")
    models = read.value.get(words.MODELS)
    return _endpoint_drafts(read.value, report), models_of(models.value) if models else Models()


def _endpoint_drafts(fields: Fields, report: Report) -> list[EndpointDraft]:
    endpoints = fields.get(words.ENDPOINTS)
    drafts: list[EndpointDraft] = []
    for row in endpoints.value if endpoints else ():
        # The schema gives pairs of name and fields for the short form, fields alone for the long one.
        if isinstance(row, tuple):
            drafts.append(from_short(*_short_row(row), report))
        elif (draft := from_long(row.value, report)) is not None:
            drafts.append(draft)
    return drafts


def _short_row(row: tuple[Read[str], Read[Fields]]) -> tuple[Read[str], Fields]:
    return row[0], row[1].value


def _is_create_body(root: tree.Node) -> bool:
    """Whether a create body of the API was pasted as the whole file."""
    if not isinstance(root, tree.Mapping):
        return False
    keys = {key.text for key, _ in root.entries}
    return bool(keys & {"name", "config"}) and not keys & {"endpoints", "models"}


def _check_unique(endpoints: tuple[Drafted, ...], report: Report) -> None:
    first: dict[str, Place] = {}
    for drafted in endpoints:
        earlier = first.setdefault(drafted.draft.name, drafted.draft.place)
        if earlier is not drafted.draft.place:
            report.add(
                drafted.draft.place,
                f"the endpoint {quoted(drafted.draft.name)} is already defined at {earlier}; rename one of them",
            )
