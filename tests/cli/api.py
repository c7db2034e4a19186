"""A server that answers as it is told, over real sockets, and the answers that splitter's API gives."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ENDPOINTS = "/api/2.0/serving-endpoints"


@dataclass
class Request:
    method: str
    path: str
    fields: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Api:
    """`answers` by method and path, each a status and a body: bytes as they are, anything else as JSON; None hangs up. Without
    an answer: 404."""

    url: str
    answers: dict[tuple[str, str], tuple[int, object]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    """The ETag field of what is answered at a path."""
    fields: dict[str, str] = field(default_factory=dict)
    """Further fields of every answer."""

    def has(self, *documents: dict[str, Any]) -> None:
        """Serve these endpoints: the list, each of them, and /-/config."""
        rows = [{key: value for key, value in document.items() if key != "config"} for document in documents]
        self.answers["GET", ENDPOINTS] = 200, {"endpoints": rows}
        self.answers["GET", "/-/config"] = 200, {"revision": 1, "notices": [], "endpoints": [_in_force(each) for each in documents]}
        for document in documents:
            self.answers["GET", f"{ENDPOINTS}/{document['name']}"] = 200, document
            self.tags[f"{ENDPOINTS}/{document['name']}"] = f'"{document["config"]["config_version"]}-5f2c1a90"'

    def has_history(self, *rows: dict[str, Any], name: str = "multi-model") -> None:
        """Serve these versions, the newest first: for each limit, and one by one."""
        below = f"{ENDPOINTS}/{name}/config/versions"
        for limit in range(1, 50):
            self.answers["GET", f"{below}?limit={limit}"] = 200, {"versions": list(rows[:limit])}
        for row in rows:
            self.answers["GET", f"{below}/{row['config_version']}"] = 200, row

    def asked(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests]


@contextmanager
def serving(prefix: str = "", host: str = "127.0.0.1") -> Iterator[Api]:
    """An Api that listens; paths are those behind `prefix`, which every request must have."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path.removeprefix(prefix) if self.path.startswith(prefix) else "outside " + self.path
            api.requests.append(Request(self.command, path, dict(self.headers.items()), body))
            missing = {"error_code": "ENDPOINT_NOT_FOUND", "message": f"No API found for '{self.command} {path}'"}
            status, document = api.answers.get((self.command, path), (404, missing))
            if document is None:
                self.close_connection = True
                return
            content = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            for name, value in {**api.fields, **({"ETag": api.tags[path]} if path in api.tags else {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Listener(ThreadingHTTPServer):
        address_family = 10 if ":" in host else 2

    with Listener((host, 0), Handler) as server:
        address = f"[{host}]" if ":" in host else host
        api = Api(f"http://{address}:{server.server_port}{prefix}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()


def detail(name: str = "multi-model", version: int = 2, *, update: str = "NOT_UPDATING", **shares: float) -> dict[str, Any]:
    """What GET of one endpoint answers. Underscores in the names of models stand for dashes."""
    models = [model.replace("_", "-") for model in shares]
    entities = [
        {
            "name": model,
            "entity_name": f"model-{model}",
            "entity_version": "1",
            "workload_size": "Small",
            "url": f"http://127.0.0.1:{port}/invocations",
            "state": {"deployment": "DEPLOYMENT_READY", "deployment_state_message": ""},
        }
        for port, model in enumerate(models, start=5001)
    ]
    routes = [
        {"served_model_name": model, "served_entity_name": model, "traffic_percentage": share}
        for model, share in zip(models, shares.values(), strict=True)
    ]
    return {
        "name": name,
        "id": "0" * 32,
        "state": {"ready": "READY", "config_update": update},
        "config": {
            "config_version": version,
            "config_hash": "5f2c1a90b3d4" + "0" * 52,
            "served_entities": entities,
            "served_models": entities,
            "traffic_config": {"routes": routes},
        },
        "tags": [],
        "description": "",
    }


def version(number: int, changes: str, *, origin: str = "api", author: str = "anonymous", **shares: float) -> dict[str, Any]:
    """A version of a history; without shares, one that removed the endpoint. A minute lies between two."""
    row = {"config_version": number, "time": 1_795_353_281_664 + 60_000 * number, "author": author, "origin": origin}
    row |= {"config_hash": f"{number:064x}" if shares else "", "removed": not shares, "changes": changes}
    if shares:
        config = detail("", 0, update="", **shares)["config"]
        entities = [{key: each[key] for key in ("name", "url")} for each in config["served_entities"]]
        routes = [{key: each[key] for key in ("served_model_name", "traffic_percentage")} for each in config["traffic_config"]["routes"]]
        row["config"] = {"served_entities": entities, "traffic_config": {"routes": routes}}
    return row


def _in_force(document: dict[str, Any]) -> dict[str, Any]:
    """Its row in /-/config."""
    routes = document["config"]["traffic_config"]["routes"]
    return {
        "name": document["name"],
        "version": document["config"]["config_version"],
        "served_models": [{"name": row["served_model_name"], "traffic": float(row["traffic_percentage"])} for row in routes],
    }
