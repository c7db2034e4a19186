"""What has to change in the fields of an endpoint and of a served entity; both forms share them."""

from __future__ import annotations

from collections.abc import Sequence as Seq

from splitter.config import vocabulary as words
from splitter.config.forms import EndpointDraft, EntityDraft
from splitter.config.reading.schema import One, Record
from splitter.config.reading.tree import Mapping, Scalar, Sequence
from splitter.config.writeback.edits import Write
from splitter.config.writeback.fields import Fields, reconciled
from splitter.config.writeback.idiom import ENTITY_NAMES, ENTITY_VERSIONS, URLS, Idiom
from splitter.config.writeback.meaning import entity_facts
from splitter.config.writeback.render import Raw, number
from splitter.routing.document import DEFAULT_TIMEOUTS

AUTO_CAPTURE = words.AUTO_CAPTURE.name


def _typed(record: Record) -> frozenset[str]:
    return frozenset(field.name for field in record.fields if isinstance(field.kind, One))


_TYPED_ENTITY = _typed(words.SHORT_ENTITY)
_TYPED_ENDPOINT = _typed(words.SHORT_ENDPOINT)


def plan_entity(fields: Fields, now: EntityDraft, wanted: EntityDraft, idiom: Idiom) -> None:
    """Everything of an entity but its name and its share."""
    was, becomes = entity_facts(now), entity_facts(wanted)
    if was.urls != becomes.urls:
        _plan_urls(fields, was.urls, becomes.urls, idiom)
    if was.entity_name != becomes.entity_name:
        _plan_label(fields, ENTITY_NAMES, idiom.entity_name, becomes.entity_name, becomes.entity_name)
    if was.entity_version != becomes.entity_version:
        new = idiom.version(becomes.entity_version) if becomes.entity_version is not None else None
        _plan_label(fields, ENTITY_VERSIONS, idiom.entity_version, becomes.entity_version, new)
    if was.idempotent != becomes.idempotent:
        fields.set(words.IDEMPOTENT.name, becomes.idempotent)
    fields.keep(now.kept, wanted.kept, _TYPED_ENTITY)


def plan_endpoint(fields: Fields, now: EndpointDraft, wanted: EndpointDraft) -> None:
    """The fields that both forms have on the level of the endpoint, without `auto_capture_config`."""
    _plan_timeouts(fields, now, wanted)
    if now.forward_credentials != wanted.forward_credentials:
        fields.set(words.FORWARD_CREDENTIALS.name, wanted.forward_credentials)
    fields.keep(_without_auto_capture(now), _without_auto_capture(wanted), _TYPED_ENDPOINT)


def plan_auto_capture(fields: Fields, now: EndpointDraft, wanted: EndpointDraft) -> None:
    """It stands in the `config` of the long form, and beside the other fields in the short one."""
    was = {key: value for key, value in now.kept.items() if key == AUTO_CAPTURE}
    becomes = {key: value for key, value in wanted.kept.items() if key == AUTO_CAPTURE}
    fields.keep(was, becomes, frozenset())


def timeout_fields(draft: EndpointDraft) -> dict[str, Raw]:
    """The timeouts that are not the defaults."""
    return {key: Raw(number(seconds)) for key, seconds in _seconds(draft).items() if seconds != dict(DEFAULT_TIMEOUTS)[key]}


def _seconds(draft: EndpointDraft) -> dict[str, float]:
    limits = draft.timeouts
    return {"connect": limits["connect"], "first_byte": limits["first_byte"], "idle": limits["idle"], "total": limits["total"]}


def _plan_timeouts(fields: Fields, now: EndpointDraft, wanted: EndpointDraft) -> None:
    was = _seconds(now)
    changed = {key: Raw(number(seconds)) for key, seconds in _seconds(wanted).items() if seconds != was[key]}
    if not changed:
        return
    node = fields.get(words.TIMEOUTS.name)
    if not isinstance(node, Mapping):
        fields.set(words.TIMEOUTS.name, changed)
        return
    inner = Fields(node)
    for key, seconds in changed.items():
        inner.set(key, seconds)
    fields.change(words.TIMEOUTS.name, inner.rework())


def _plan_urls(fields: Fields, was: Seq[str], becomes: Seq[str], idiom: Idiom) -> None:
    present = fields.among(URLS)
    if not becomes:
        for key in present:
            fields.remove(key)
    elif not present:
        fields.set(idiom.url, one_or_list(becomes))
    for key in present if becomes else ():
        node = fields.get(key)
        if isinstance(node, Sequence):
            fields.change(key, reconciled(node, list(was), list(becomes)))
        else:
            # One that stays is written as it stands there: with or without its path.
            stays = {was[0]: node.text} if isinstance(node, Scalar) and was else {}
            fields.change(key, Write(one_or_list([stays.get(url, url) for url in becomes])))


def one_or_list(urls: Seq[str]) -> str | list[str]:
    """The short way to write them."""
    return urls[0] if len(urls) == 1 else list(urls)


def _plan_label(fields: Fields, keys: Seq[str], word: str, value: str | None, new: str | Raw | None) -> None:
    present = fields.among(keys)
    for key in present:
        if value is None:
            fields.remove(key)
        else:
            fields.set(key, value)
    if value is not None and not present:
        fields.set(word, new)


def _without_auto_capture(draft: EndpointDraft) -> dict[str, object]:
    return {key: value for key, value in draft.kept.items() if key != AUTO_CAPTURE}
