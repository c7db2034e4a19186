"""What `--direct` names: the model servers themselves, asked beside the proxy in the mix that the endpoint has. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from splitter.bench.plan import Side, Target
from splitter.bench.setup.target import TargetRefused, parse_target
from splitter.bench.wording import suggestion

AUTO = "auto"
_INVOCATIONS = "/invocations"


def direct_targets(given: Sequence[str], addresses: Mapping[str, str], shares: Mapping[str, float]) -> tuple[Target, ...]:
    """The targets of `auto`, `MODEL=URL` and plain URLs.

    `addresses` are the URLs by which splitter reaches its served models, `shares` the fractions that they get; both are empty where
    nothing is known. A plain URL belongs to the model of the same host and port; one that belongs to none can only stand alone, for the
    whole endpoint. Raises TargetRefused.
    """
    named: dict[str, str] = {}
    for item in given:
        named |= _every(addresses, shares) if item == AUTO else _named(item, addresses)
    targets = tuple(parse_target(url, Side.DIRECT, name) for name, url in named.items())
    if known := {**shares, **addresses}:
        _check_names(given, known)
    strangers = [target.name for target in targets if target.name not in shares]
    if not shares or (strangers and len(targets) == 1):
        return targets
    if strangers:
        raise TargetRefused(f"which served model is {strangers[0]}? Say so by --direct MODEL=URL, with one of {', '.join(shares)}")
    with_traffic = [name for name, share in shares.items() if share > 0]
    if missing := [name for name in with_traffic if name not in named]:
        raise TargetRefused(f"no --direct for {', '.join(missing)}, but both ways must get the same mix; `--direct auto` names every model")
    return tuple(replace(target, weight=shares[target.name]) for target in targets if target.name in with_traffic)


def _check_names(given: Iterable[str], known: Iterable[str]) -> None:
    for item in given:
        name, equals, _ = item.partition("=")
        if equals and _is_name(name) and name not in known:
            raise TargetRefused(f"--direct {item}: no served model there is called {name!r}{suggestion(name, known)}")


def _every(addresses: Mapping[str, str], shares: Mapping[str, float]) -> dict[str, str]:
    with_traffic = [name for name, share in shares.items() if share > 0]
    unknown = [name for name in with_traffic if name not in addresses]
    if unknown or not with_traffic:
        whose = f"of {', '.join(unknown)}" if unknown else "of its models"
        raise TargetRefused(f"the server does not say the address {whose}, so `--direct auto` cannot be: give --direct MODEL=URL")
    return {name: addresses[name] for name in with_traffic}


def _named(item: str, addresses: Mapping[str, str]) -> dict[str, str]:
    """The URL of one `--direct` by the model that it belongs to."""
    name, equals, url = item.partition("=")
    if equals and _is_name(name):
        return {name: _with_path(url)}
    target = parse_target(item)
    for model, address in addresses.items():
        at = parse_target(address)
        if (at.host, at.port) == (target.host, target.port):
            return {model: address if target.path == "/" else item}
    return {target.authority: _with_path(item)}


def _is_name(text: str) -> bool:
    """And not the beginning of a URL with a query."""
    return "/" not in text and ":" not in text


def _with_path(url: str) -> str:
    """A model server that is named without a path is asked where MLflow's listens for requests."""
    target = parse_target(url)
    return url if target.path != "/" else f"{target.scheme}://{target.authority}{_INVOCATIONS}"
