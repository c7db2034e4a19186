"""From the control plane to the workers: what is published goes to all of them, and what all of them hold is told back."""

from __future__ import annotations

import json
import time

from splitter.channel import Frame, Kind
from splitter.supervisor.child import ControlPlane, Worker
from splitter.supervisor.crew import Crew, told
from splitter.supervisor.intervals import Intervals
from splitter.supervisor.publications import Publications


class Publishing:
    def __init__(self, crew: Crew, intervals: Intervals) -> None:
        self._crew = crew
        self._intervals = intervals
        self._publications = Publications()
        self._held = 0

    @property
    def newest(self) -> int:
        """The newest revision; 0 before the first."""
        return self._publications.newest

    def publish(self, control: ControlPlane, frame: Frame) -> None:
        """Raises ValueError: it is out of order."""
        if frame.kind is Kind.PUBLISH_CHANGE and not control.proven:
            raise ValueError("a difference before its first full snapshot")
        encoded = self._publications.add(frame)
        control.proven = True
        for worker in self._crew.living_workers():
            worker.send_snapshot(frame.revision, encoded, time.monotonic(), self._intervals)
            self._crew.adjust(worker)
        if self._publications.refresh_due():
            self._crew.send(control, told(Kind.REFRESH))

    def replay(self, worker: Worker) -> None:
        """To one that has just been started."""
        for revision, frame in self._publications.replay():
            worker.send_snapshot(revision, frame, time.monotonic(), self._intervals)

    def acknowledged(self, worker: Worker, frame: Frame, *, accepts: bool) -> None:
        """`accepts`: one that holds the newest for the first time may accept connections.

        Raises:
            ValueError: it cannot hold that revision.
        """
        if not 0 < frame.revision <= self.newest:
            raise ValueError(f"an {frame.kind.name} frame of revision {frame.revision}")
        worker.acknowledge(frame.revision)
        if worker.acknowledged == self.newest and not worker.proven and accepts:
            worker.proven = True
            self._crew.send(worker, told(Kind.ACCEPT, self.newest))
        self._tell_what_is_held()

    def _tell_what_is_held(self) -> None:
        """The control plane answers a change when every worker holds it: one that is being replaced holds nothing yet."""
        held = min(seat.child.acknowledged if seat.child is not None else 0 for seat in self._crew.workers)
        if held > self._held:
            self._held = held
            if self._crew.control.child is not None:
                workers = json.dumps({"workers": len(self._crew.workers)})
                self._crew.send(self._crew.control.child, told(Kind.HELD, held, workers))
