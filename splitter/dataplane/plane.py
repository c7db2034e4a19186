"""The live side of one worker: the snapshot in force and everything that outlives it."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import random
from collections.abc import Callable, Coroutine, Mapping
from email.utils import formatdate
from itertools import count
from time import monotonic, time
from types import MappingProxyType
from typing import TYPE_CHECKING

import orjson

from splitter import __version__
from splitter.dataplane import calls
from splitter.dataplane.control import CONTROL_KEY, control_route
from splitter.dataplane.pool import LiveEntities
from splitter.dataplane.replies import JSON, LocalAnswer
from splitter.dataplane.resolver import Resolver
from splitter.dataplane.wheel import TICK_S, Wheel
from splitter.errors import EndpointStopped, MethodNotAllowed, NoSuchRoute, NotSupported, SplitterError, UnknownEndpoint
from splitter.http.answer import AnswerHeads
from splitter.routing.document import TICKETS, ChangeDocument
from splitter.routing.snapshot import EMPTY, EntityKey, Route, ServedEntity, Snapshot, apply_change
from splitter.shared_memory import BEAT, CONNECTIONS, DRAINING, HELD_BYTES, READY, REVISION, TOP_SLOT, Layout
from splitter.telemetry.access_line import NOTHING_REACHED
from splitter.telemetry.ring import ring_offset
from splitter.telemetry.slab import NO_ENTITY, slot_base

if TYPE_CHECKING:
    from splitter.dataplane.access_log import AccessLog
    from splitter.dataplane.downstream import Downstream
    from splitter.http.request import RequestHead
    from splitter.settings import Settings

BUFFER_BYTES = 65_536
_PREFIX = b"/serving-endpoints/"
_CHAT = calls.CHAT.path.encode()
"""Where OpenAI's clients ask; no endpoint may be named `chat`."""
_SHOWN_NAMES = 20


class DataPlane:
    """One a worker. `draw` gives a ticket; clock and randomness are the process's own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: Settings, words: memoryview, stripe: int, control_socket: str) -> None:
        self.loop = loop
        self.limits = settings.limits
        self.max_held_bytes = settings.limits.held_bytes
        self.snapshot: Snapshot = EMPTY
        self.buffer = memoryview(bytearray(BUFFER_BYTES))
        self.answer_heads = AnswerHeads(settings.limits.fields)
        self.wheel = Wheel(monotonic())
        self.resolver = Resolver(monotonic)
        self.draining = False
        self.replaced = False  # the workers of a new supervisor accept in our place: the service as a whole does not drain
        self.words = words
        self.downstreams: set[Downstream] = set()
        self.paused: set[Downstream] = set()
        self.date_line = b""  # led by CRLF, as the lines that are kept of an answer
        self.date_field = b""  # ended by CRLF, as the lines of our own answers
        self.unix_offset = time() - monotonic()  # added to a reading of the clock that everything here goes by
        self.access_log: AccessLog | None = None
        self._layout = Layout(settings.workers)
        self.no_entity_slot = slot_base(self._layout, stripe, NO_ENTITY)
        self._header = self._layout.worker(stripe)
        self._stripe = stripe
        self.held_bytes = 0
        self._arriving: set[Downstream] = set()
        self._trusted = tuple(ipaddress.ip_network(block) for block in settings.trusted_proxies)
        self._ids = count(1)
        self._id_prefix = os.urandom(8).hex().encode() + b"-"
        self._tasks: set[asyncio.Task[None]] = set()
        self._second = 0
        self._connections_left = max(1, self.limits.connections // settings.workers)
        # Seeded from the system by itself: two workers that drew the same tickets would double every deviation from the shares.
        self._random_bits = random.Random().getrandbits  # noqa: S311
        self._control = control_route(control_socket)
        self.entities = LiveEntities(self)
        self.live = self.entities.by_key
        if self._control.named is not None:
            self.entities.swap({}, {CONTROL_KEY: self._control.named})

    # --- routing --------------------------------------------------------------------------------------------------------------

    def draw(self) -> int:
        """A ticket: 53 random bits scaled to TICKETS, in integers. The bias is below 2**-39, and it costs a third of randrange."""
        return self._random_bits(53) * TICKETS >> 53

    def swap(self, revision: int, change: ChangeDocument) -> None:
        """Put a change in force by one assignment. Requests that have begun finish on the snapshot they started with.

        Raises:
            ValueError: the change cannot be built; nothing has changed.
        """
        old = self.snapshot
        new = apply_change(old, revision, change)
        touched = set(change["remove"]) | {document["name"] for document in change["set"]}
        if change["full"]:
            touched |= old.endpoints.keys()
        self.entities.swap(_entities(old, touched), _entities(new, touched))
        self.snapshot = new
        self.words[self._header + REVISION] = revision

    def route_elsewhere(self, path: bytes) -> Route:
        """For what is no prediction of an existing model: the control plane, or an error that says what exists.

        Raises:
            UnknownEndpoint, EndpointStopped, NoSuchRoute, NotSupported: the path is under /serving-endpoints/.
        """
        if not path.startswith(_PREFIX):
            return self._control
        if path == _CHAT:
            raise NotSupported(
                "splitter has no chat/completions, which finds the endpoint by the body's `model`: it reads no bodies. "
                "Send the same body to POST /serving-endpoints/NAME/invocations"
            )
        name, _, rest = path[len(_PREFIX) :].decode("ascii").partition("/")
        endpoint = self.snapshot.endpoints.get(name)
        if endpoint is None:
            raise UnknownEndpoint(f"the serving endpoint {name[:80]!r} does not exist; {_there_are(self.snapshot.endpoints)}")
        if endpoint.stopped:
            raise EndpointStopped(
                f"the serving endpoint {name!r} is stopped; start it with POST /api/2.0/serving-endpoints/{name}/config:start"
            )
        parts = rest.split("/")
        if len(parts) == 3 and parts[0] == "served-models" and parts[2] == "invocations":
            there = _there_are(endpoint.entities)
            raise UnknownEndpoint(f"the serving endpoint {name!r} has no served model {parts[1][:80]!r}; {there}")
        raise NoSuchRoute(
            f"no API at {path[:200].decode('ascii')!r}; predictions are POST /serving-endpoints/{name}/invocations or "
            f"/serving-endpoints/{name}/served-models/MODEL/invocations, all else is under /api/2.0/serving-endpoints/{name}"
        )

    def local_answer(self, request: RequestHead) -> LocalAnswer | None:
        """The paths that a worker answers from what it has, so that they work while the control plane does not."""
        make = _LOCAL.get(request.path)
        if make is None:
            return None
        if request.method not in (b"GET", b"HEAD"):
            raise MethodNotAllowed(f"{request.path.decode()} can only be read (GET or HEAD)")
        return make(self)

    def ready(self) -> LocalAnswer:
        draining = bool(self.words[DRAINING]) or (self.draining and not self.replaced)
        is_ready = bool(self.words[READY]) and not draining
        status = "ready" if is_ready else "draining" if draining else "starting"
        body = {"status": status, "revision": self.snapshot.revision, "notices": list(self.snapshot.notices)}
        return LocalAnswer(200 if is_ready else 503, JSON, orjson.dumps(body))

    # --- bounds ---------------------------------------------------------------------------------------------------------------

    def held(self, difference: int) -> None:
        """Bytes that are held in a buffer now, or not any more."""
        self.held_bytes += difference
        self.words[self._header + HELD_BYTES] = max(0, self.held_bytes)

    @property
    def is_full(self) -> bool:
        """Whether another client connection is one too many."""
        return self.connections >= self._connections_left

    @property
    def connections(self) -> int:
        """Client connections, with those that were taken from the listener and are not read yet."""
        return len(self.downstreams) + len(self._arriving)

    def arriving(self, downstream: Downstream) -> None:
        """A connection was taken from the listener: counted from the first moment, so that a burst is spread over the workers."""
        self._arriving.add(downstream)
        self._count_connections()

    def arrived(self, downstream: Downstream) -> None:
        """It has been opened, or could not be."""
        self._arriving.discard(downstream)
        self._count_connections()

    def opened(self, downstream: Downstream) -> None:
        self._arriving.discard(downstream)  # here too, or it would count twice for a turn of the loop
        self.downstreams.add(downstream)
        self._count_connections()

    def closed(self, downstream: Downstream) -> None:
        self.downstreams.discard(downstream)
        self.paused.discard(downstream)
        self._count_connections()

    def busy(self) -> frozenset[object]:
        """The exchanges that are under way."""
        return frozenset(downstream.exchange for downstream in self.downstreams if downstream.exchange is not None)

    def _count_connections(self) -> None:
        self.words[self._header + CONNECTIONS] = self.connections

    # --- small things a request needs -----------------------------------------------------------------------------------------

    def slot(self, number: int) -> int:
        """Index of the first word of a slot in this worker's stripe, which counts from now on."""
        if number > self.words[self._header + TOP_SLOT]:
            self.words[self._header + TOP_SLOT] = number
        return slot_base(self._layout, self._stripe, number)

    def ring(self, number: int) -> int:
        """Offset in bytes of a slot's ring in this worker's stripe; 0 when it has none."""
        return ring_offset(self._layout, self._stripe, number)

    def new_request_id(self) -> bytes:
        """Unique by the process's random prefix and a counter: 0.12 us, where a UUID costs 2.2."""
        return self._id_prefix + b"%x" % next(self._ids)

    def log_refusal(self, request_id: bytes, error: SplitterError, outcome: int, peer: str) -> None:
        """Facts of what was answered without ever being a request."""
        log = self.access_log
        if log is not None and log.wants(outcome):
            log.add(
                (time(), request_id, NOTHING_REACHED, 0, b"", b"", error.status, outcome, 0.0, 0.0, 0, len(error.body()), peer, b"")
            )

    def trusts(self, host: str) -> bool:
        """Whether a peer is one of --trusted-proxies. Asked once a connection."""
        if not self._trusted:
            return False
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in block for block in self._trusted)

    def spawn(self, coroutine: Coroutine[object, object, None]) -> Callable[[], object]:
        """Run a task that is kept until it ends, since the loop itself holds only weak references. Returns what cancels it."""
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task.cancel

    def tick(self) -> None:
        """Turn the wheel; once a second, look at what cannot be waited for. Calls itself again."""
        self.loop.call_later(TICK_S, self.tick)  # first: one fault must not be the end of all deadlines
        now = monotonic()
        self.wheel.turn(now)
        if int(now) != self._second:
            self._second = int(now)
            self.unix_offset = time() - now  # every second, since the system's clock is set now and then
            date = b"Date: " + formatdate(usegmt=True).encode()
            self.date_line, self.date_field = b"\r\n" + date, date + b"\r\n"
            self.words[self._header + BEAT] = int(now * 1000)
            for downstream in tuple(self.paused):
                downstream.look_for_end()


def _entities(snapshot: Snapshot, names: set[str]) -> dict[EntityKey, ServedEntity]:
    found: dict[EntityKey, ServedEntity] = {}
    for name in names:
        endpoint = snapshot.endpoints.get(name)
        if endpoint is not None:
            found.update({entity.key: entity for entity in endpoint.entities.values()})
    return found


def _there_are(names: Mapping[str, object]) -> str:
    if not names:
        return "there is none"
    shown = ", ".join(list(names)[:_SHOWN_NAMES])
    more = len(names) - _SHOWN_NAMES
    return f"there are: {shown}" + (f" and {more} more" if more > 0 else "")


_LOCAL: Mapping[bytes, Callable[[DataPlane], LocalAnswer]] = MappingProxyType(
    {
        calls.READY.path.encode(): DataPlane.ready,
        calls.PING.path.encode(): lambda _: LocalAnswer(200, JSON, b"\n"),  # as MLflow's scoring server answers
        calls.HEALTH.path.encode(): lambda _: LocalAnswer(200, JSON, b"\n"),
        calls.VERSION.path.encode(): lambda _: LocalAnswer(200, JSON, orjson.dumps({"version": __version__})),
        # Every SDK client asks this at its start, without a token; anything but 200 {} makes it print a warning.
        calls.WELL_KNOWN.path.encode(): lambda _: LocalAnswer(200, JSON, b"{}"),
    }
)
