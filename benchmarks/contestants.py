"""The proxies that are compared, each with the same work: splitter as it is shipped, nginx, and a relay as the floor."""

from __future__ import annotations

import json
import os
import shutil
import sys
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import BenchmarkError, Child, children, command_line, cpu_s, free_ports, is_open

PATH = "/serving-endpoints/ep/invocations"
INSTALL = "apt install nginx-light wrk"

NGINX_CONF = """
worker_processes 1;
pcre_jit on;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 16m;
    keepalive_requests 100000000;
    limit_conn_zone $server_name zone=connections:1m;

    split_clients "$request_id" $model {{ 90% current; * challenger; }}
    upstream current {{ server 127.0.0.1:{current}; keepalive 128; keepalive_requests 100000000; }}
    upstream challenger {{ server 127.0.0.1:{challenger}; keepalive 128; keepalive_requests 100000000; }}
    map $http_x_request_id $id {{
        "~^[A-Za-z0-9._:/+=@-]{{1,128}}$" $http_x_request_id;
        default $request_id;
    }}

    server {{
        listen 127.0.0.1:{port};
        limit_conn connections 10000;
        location = {path} {{
            proxy_pass http://$model/invocations;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Authorization "";
            proxy_set_header Cookie "";
            proxy_set_header X-Api-Key "";
            proxy_set_header X-Request-Id $id;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header Via "1.1 nginx";
            add_header served-model-name $model;
            add_header x-config-version 1;
            add_header x-request-id $id;
        }}
    }}
}}
"""

SPLITTER_YAML = """
endpoints:
  ep:
    served_models:
      current:    {{url: "http://127.0.0.1:{current}", traffic: rest}}
      challenger: {{url: "http://127.0.0.1:{challenger}", traffic: 10}}
"""


@dataclass(frozen=True)
class Cores:
    """Where what runs: the proxy has its core for itself when there are enough of them."""

    proxy: int
    load: int
    models: tuple[int, int]

    @classmethod
    def of(cls, available: Iterable[int]) -> Cores:
        cores = sorted(available, reverse=True)
        proxy, load, first, second = (cores[min(index, len(cores) - 1)] for index in range(4))
        return cls(proxy, load, (first, second))

    @property
    def others(self) -> set[int]:
        return {self.load, *self.models}


@dataclass
class Contestant:
    """One proxy. `pid` is the process whose CPU counts, `beside` are its others by name."""

    name: str
    child: Child
    pid: int
    port: int
    beside: dict[str, int] = field(default_factory=dict)
    splits: bool = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATH}"


class ModelServers:
    """Two of them, a process each: `current` gets 90 of 100, `challenger` 10."""

    def __init__(self, cores: Cores, folder: Path) -> None:
        self.ports = free_ports(2)
        self.children = []
        for port, core in zip(self.ports, cores.models, strict=True):
            arguments = [sys.executable, "-m", "benchmarks.model_server", str(port)]
            child = Child("a model server", arguments, {core}, folder / f"model-{port}.log")
            self.children.append(child)
            child.wait_for(lambda port=port: is_open(port))  # type: ignore[misc]

    def counts(self) -> list[int]:
        return [int(self.seen(port)["count"]) for port in self.ports]

    def seen(self, port: int) -> dict[str, str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/seen", timeout=5) as answer:
            seen: dict[str, str] = json.load(answer)
        return seen

    def stop(self) -> None:
        for child in self.children:
            child.stop()


def start_nginx(models: ModelServers, cores: Cores, folder: Path) -> Contestant:
    binary = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if binary is None:
        raise BenchmarkError(f"nginx is not installed, and it is what splitter is compared with: {INSTALL}")
    (port,) = free_ports(1)
    conf = folder / "nginx.conf"
    conf.write_text(NGINX_CONF.format(folder=folder, port=port, path=PATH, current=models.ports[0], challenger=models.ports[1]))
    child = Child("nginx", [binary, "-c", str(conf), "-p", str(folder)], cores.others, folder / "nginx.log")
    child.wait_for(lambda: is_open(port) and bool(children(child.pid)))
    (worker,) = children(child.pid)
    os.sched_setaffinity(worker, {cores.proxy})
    return Contestant("nginx", child, worker, port, {"master": child.pid})


def start_splitter(models: ModelServers, cores: Cores, folder: Path) -> Contestant:
    (port,) = free_ports(1)
    conf = folder / "splitter.yaml"
    conf.write_text(SPLITTER_YAML.format(current=models.ports[0], challenger=models.ports[1]))
    arguments = [sys.executable, "-m", "splitter", "serve", str(conf), "--port", str(port), "--workers", "1"]
    child = Child("splitter", [*arguments, "--state-dir", str(folder / "state")], cores.others, folder / "splitter.log")
    child.wait_for(lambda: is_ready(port))
    pids = {command_line(pid).partition("splitter.")[2].partition(" ")[0]: pid for pid in children(child.pid)}
    os.sched_setaffinity(pids["worker"], {cores.proxy})
    beside = {"supervisor": child.pid, "control plane": pids["controlplane"]}
    return Contestant("splitter", child, pids["worker"], port, beside)


def start_relay(models: ModelServers, cores: Cores, folder: Path) -> Contestant:
    (port,) = free_ports(1)
    arguments = [sys.executable, "-m", "benchmarks.relay", str(port), str(models.ports[0])]
    child = Child("the relay", arguments, {cores.proxy}, folder / "relay.log")
    child.wait_for(lambda: is_open(port))
    return Contestant("relay", child, child.pid, port, splits=False)


def check_equal_work(contestant: Contestant, models: ModelServers) -> None:
    """One request by hand: what the model server and the client must get from a proxy that takes part.

    Raises:
        BenchmarkError: this proxy does less than the others.
    """
    headers = {"X-Request-Id": "check-1", "Authorization": "Bearer secret", "Content-Type": "application/json"}
    before = models.counts()
    request = urllib.request.Request(contestant.url, b'{"inputs": [1]}', headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        lines = {name.lower(): value for name, value in answer.getheaders()}
    port = next(port for port, was, now in zip(models.ports, before, models.counts(), strict=True) if now != was)
    head = models.seen(port)["last"].lower()
    missing = [name for name in ("x-request-id: check-1", "x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http") if name not in head]
    missing += [name for name in ("x-forwarded-host: 127.0.0.1", "via: 1.1 ", "post /invocations http/1.1") if name not in head]
    missing += [name for name in ("served-model-name", "x-config-version") if name not in lines]
    if missing or "secret" in head or lines.get("x-request-id") != "check-1":
        raise BenchmarkError(f"{contestant.name} does not do the same work: missing {missing}, its request was\n{head}")


def cpu_of(contestant: Contestant) -> dict[str, float]:
    """Seconds so far, of the process that counts (under the contestant's own name) and of those beside it."""
    return {name: cpu_s(pid) for name, pid in {contestant.name: contestant.pid, **contestant.beside}.items()}


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
