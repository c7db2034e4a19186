"""A splitter with everything around it: model servers, a folder of configuration, and the wire that writes down what clients send."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.background import Background, background
from tests.contract.scoring import scoring
from tests.contract.wire import Wire, recorded
from tests.process.models import Model, model
from tests.process.serving import COMMAND, Serving, started

TOKEN = "dapi-test"
WORKERS = 2

REGISTRY = """\
models:                       # where each registered model version runs
  model-A:
    1: {current}
  model-B:
    1: {challenger}
  main.shop.model-A:          # a name of Unity Catalog
    3: {current}
  model-gone:
    1: http://127.0.0.1:1     # nobody listens there
"""

COMMENTED = """\
# The canary of the shop. Ask in #models before you move it.
endpoints:
  - name: commented
    config:
      served_entities:
        - {name: current,    entity_name: model-A, entity_version: "1", workload_size: Small, scale_to_zero_enabled: true}
        - {name: challenger, entity_name: model-B, entity_version: "1", workload_size: Small, scale_to_zero_enabled: true}
      traffic_config:
        routes:
          - {served_model_name: current,    traffic_percentage: 90}   # what stays
          - {served_model_name: challenger, traffic_percentage: 10}   # what comes
    # nothing below this line
"""


HASTY = """\
endpoints:
  hasty:
    timeouts: {{first_byte: 0.2}}
    served_models:
      current: {{url: {current}}}
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """Field names in lower case."""

    status: int
    fields: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Stage:
    """`folder` is the configuration in force, with a file `models.yaml`; `models` are the model servers by the name they answer with."""

    serving: Serving
    wire: Wire
    folder: Path
    models: Mapping[str, Model]
    around: Background

    @property
    def address(self) -> str:
        return self.wire.address

    def ask(self, method: str, path: str, body: Any = None, fields: Mapping[str, str] | None = None) -> Answer:
        """One request over a connection of its own. A body that is no bytes is sent as JSON."""
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.wire.port, timeout=30)
        try:
            connection.request(method, path, sent, {"Content-Type": "application/json", **(fields or {})})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def file_of(self, endpoint: str) -> Path:
        """The file that the endpoint is defined in."""
        [found] = [entry for entry in self.ask("GET", "/-/config").json()["endpoints"] if entry["name"] == endpoint]
        return self.folder / Path(found["defined_at"].split(":")[0]).name


def usual_files(current: str, challenger: str) -> Mapping[str, str]:
    """The content of each file by its name, for model servers at these URLs."""
    return {
        "models.yaml": REGISTRY.format(current=current, challenger=challenger),
        "commented.yaml": COMMENTED,
        "hasty.yaml": HASTY.format(current=current),
    }


@contextmanager
def staged(folder: Path, command: Sequence[str] = COMMAND, files: Callable[[str, str], Mapping[str, str]] = usual_files) -> Iterator[Stage]:
    """Everything started, the files in `folder`/config, and all of it ended afterwards."""
    config = folder / "config"
    config.mkdir()
    with ExitStack() as stack:
        around = stack.enter_context(background())
        models = {name: stack.enter_context(around.entered(model(scoring(name)))) for name in ("current", "challenger")}
        for name, content in files(models["current"].url, models["challenger"].url).items():
            (config / name).write_text(content)
        arguments = ("serve", "config", "--port", "0", "--workers", str(WORKERS))
        serving = stack.enter_context(around.entered(started(*arguments, cwd=folder, command=command)))
        around.call(serving.until_serving())
        wire = stack.enter_context(around.entered(recorded(serving.port)))
        yield Stage(serving, wire, config, models, around)
