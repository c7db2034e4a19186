"""A child that does nothing by itself: it tells the test what arrives on its channel, and does what the test says.

Both ways JSON lines over a Unix socket whose path is the second argument; the first is the role, the last the supervisor's start.
"""

import hashlib
import json
import os
import select
import socket
import sys
from typing import Any

from splitter import shared_memory
from splitter.channel import FrameReader
from splitter.settings import ControlStart, Settings, WorkerStart, loads
from splitter.shared_memory import Layout


class Puppet:
    def __init__(self, role: str, rendezvous: str, argument: str) -> None:
        self.start = loads(WorkerStart, argument) if role == "worker" else loads(ControlStart, argument)
        given = sorted(fd for fd in map(int, os.listdir("/proc/self/fd")) if fd > 2 and os.path.exists(f"/proc/self/fd/{fd}"))
        settings: Settings = self.start.settings
        self.layout = Layout(settings.workers)
        self.words = shared_memory.attach(self.start.memory_fd, self.layout)
        self.channel = socket.socket(fileno=self.start.channel_fd)
        self.reader = FrameReader()
        self.deaf = False
        self.test = socket.socket(socket.AF_UNIX)
        self.test.connect(rendezvous)
        self.orders = b""
        self.tell(role=role, pid=os.getpid(), fds=given, start=json.loads(argument))

    def tell(self, **said: Any) -> None:
        self.test.sendall(json.dumps(said).encode() + b"\n")

    def run(self) -> None:
        while True:
            wanted = [self.test] if self.deaf else [self.test, self.channel]
            readable, _, _ = select.select(wanted, [], [])
            if self.channel in readable:
                self.hear()
            if self.test in readable:
                self.obey()

    def hear(self) -> None:
        received = self.channel.recv(1 << 20)
        if not received:
            self.deaf = True
            self.tell(kind="EOF")
        for frame in self.reader.feed(received):
            short = len(frame.payload) <= 200
            payload = frame.payload.decode("latin-1") if short else hashlib.sha256(frame.payload).hexdigest()
            self.tell(kind=frame.kind.name, revision=frame.revision, payload=payload)

    def obey(self) -> None:
        received = self.test.recv(1 << 20)
        if not received:
            sys.exit(0)
        *lines, self.orders = (self.orders + received).split(b"\n")
        for order in map(json.loads, lines):
            match order:
                case {"send": text}:
                    self.channel.sendall(bytes.fromhex(text))
                case {"word": index, "value": value}:
                    self.words[index] = value
                case {"read": index}:
                    self.tell(kind="word", value=self.words[index])
                case {"deaf": deaf}:
                    self.deaf = deaf
                case {"close": _}:
                    self.deaf = True
                    self.channel.close()
                case {"exit": status}:
                    sys.exit(status)


if __name__ == "__main__":
    Puppet(sys.argv[1], sys.argv[2], sys.argv[3]).run()
