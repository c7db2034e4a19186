"""What the API of splitter says of the endpoint under load: its shares in every version, and where its models are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from splitter.bench.api.answers import InForce, Served, fractions
from splitter.bench.api.client import Api
from splitter.bench.api.errors import NoAccess, NoAnswer, NotSplitter, Refused
from splitter.bench.setup.payload import Payload

FEW_VERSIONS = 200
"""As many as splitter keeps of an endpoint unless told otherwise."""

_DEMO = "demo"
_DEMO_PLACE = "splitter-demo/demo.yaml:"
_LOCAL = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class Found:
    """An endpoint of splitter. Versions are as `x-config-version` has them, shares fractions of 1; `urls` are those that splitter sends
    to, by served model, empty where the server does not tell. `is_demo`: its models are those of `splitter demo`."""

    name: str
    version: str
    shares: Mapping[str, Mapping[str, float]]
    urls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_demo: bool = False

    @property
    def addresses(self) -> dict[str, str]:
        """One URL of each served model; the first, where it has several replicas."""
        return {model: urls[0] for model, urls in self.urls.items() if urls}


async def discover(api: Api, name: str) -> Found | None:
    """The endpoint `name` as it is now, with the shares of every version that is kept. None: what answers there is not splitter.

    Called again after the load, it knows the versions that came meanwhile. Raises ApiError: nobody is there, a token is missing, or
    splitter has no such endpoint.
    """
    try:
        standing = await api.standing(name)
        history = await api.versions(name, FEW_VERSIONS)
    except NotSplitter:
        return None
    except Refused as exc:
        # splitter has no route of that kind where a proxy before it leads elsewhere, and other servers speak this dialect too.
        if exc.code == "ENDPOINT_NOT_FOUND":
            return None
        if exc.code == "RESOURCE_DOES_NOT_EXIST":
            raise Refused(f"{exc}; `splitter endpoints list --server {api.server}` shows what there is", exc.status, exc.code) from exc
        raise
    shares = {str(version.number): fractions(version.shares) for version in history if version.shares}
    shares[str(standing.version)] = fractions(standing.shares)
    in_force = await _in_force(api)
    urls = in_force[name].urls if name in in_force else standing.urls
    return Found(name, str(standing.version), shares, urls, _is_demo(urls, in_force))


async def _in_force(api: Api) -> InForce:
    """Nothing where it is not told: whoever lets the API through need not let this through."""
    try:
        return await api.in_force()
    except (NoAccess, NotSplitter, Refused, NoAnswer):
        return {}


def _is_demo(urls: Mapping[str, tuple[str, ...]], in_force: InForce) -> bool:
    """Whether all its models are those of the endpoint `demo` in the file that `splitter demo` makes, always under the same name. So an
    endpoint that was created beside it, over the same model servers, is of the demo too."""
    demo = in_force.get(_DEMO)
    if demo is None or not _is_made_by_demo(demo):
        return False
    theirs = {url for some in demo.urls.values() for url in some}
    mine = {url for some in urls.values() for url in some}
    return bool(mine) and mine <= theirs


def _is_made_by_demo(served: Served) -> bool:
    hosts = {urlsplit(url).hostname for urls in served.urls.values() for url in urls}
    return served.place.startswith(_DEMO_PLACE) and hosts <= {*_LOCAL}


_ROWS = (
    b"[[5.1, 3.5, 1.4, 0.2]]",
    b"[[7.0, 3.2, 4.7, 1.4]]",
    b"[[6.3, 3.3, 6.0, 2.5], [4.9, 3.0, 1.4, 0.2]]",
    b"[[5.8, 2.7, 5.1, 1.9], [5.0, 3.4, 1.5, 0.2], [6.4, 3.2, 4.5, 1.5]]",
)


def demo_payload() -> Payload:
    """What the models of the demo understand: a few rows of four numbers, in two of the forms of MLflow's protocol."""
    bodies = tuple(b'{"%s": %s}' % (form, rows) for form in (b"inputs", b"instances") for rows in _ROWS)
    return Payload("rows of the demo", hashlib.sha256(b"\n".join(bodies)).hexdigest(), "application/json", bodies)
