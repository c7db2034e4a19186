"""The page that Prometheus scrapes, and the few counters that the control plane itself keeps in the shared memory."""

from __future__ import annotations

import platform

from splitter import __version__
from splitter.controlplane.publisher import InForce
from splitter.shared_memory import READY, RELOADS_APPLIED, RELOADS_REFUSED, TOP_SLOT, WORKER_RESTARTS, Layout
from splitter.telemetry.exposition import Family, label_text, request_families, text


class Metrics:
    """Over the words that all processes share. Of these, the control plane writes its own counters alone."""

    def __init__(self, words: memoryview, layout: Layout) -> None:
        self._words = words
        self._layout = layout

    @property
    def is_ready(self) -> bool:
        """The supervisor's word: every worker accepts, and no drain has begun."""
        return bool(self._words[READY])

    def count_reload(self, *, applied: bool) -> None:
        self._words[RELOADS_APPLIED if applied else RELOADS_REFUSED] += 1

    def count_restart(self) -> None:
        self._words[WORKER_RESTARTS] += 1

    def used_slot(self) -> int:
        """The highest slot that a worker was ever told of, 0 for none."""
        return max(self._words[self._layout.worker(stripe) + TOP_SLOT] for stripe in range(self._layout.stripes))

    def page(self, in_force: InForce, *, successful: bool) -> str:
        """All of it, as text. Takes about 1 us a line."""
        build = Family("splitter_build_info", "gauge", "Always 1; the labels say what is running.")
        build.add(label_text(version=__version__, python=platform.python_version()), 1)
        last = Family("splitter_config_last_reload_successful", "gauge", "1 when every file is in force as it stands, else 0.")
        last.add("", int(successful))
        versions = Family("splitter_config_version", "gauge", "Version of the endpoint that is in force.")
        for name in in_force.endpoints:
            versions.add(label_text(endpoint=name), in_force.versions[name].version)
        reloads = Family("splitter_config_reloads_total", "counter", "Edits of the configuration by what became of them.")
        for result, word in (("applied", RELOADS_APPLIED), ("refused", RELOADS_REFUSED)):
            reloads.add(label_text(result=result), self._words[word])
        restarts = Family("splitter_worker_restarts_total", "counter", "Workers that ended and were replaced.")
        restarts.add("", self._words[WORKER_RESTARTS])
        requests = request_families(self._words, self._layout, in_force.slots)
        return text([build, last, versions, reloads, restarts, *requests])
