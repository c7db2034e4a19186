"""What an endpoint takes and gives, as OpenAPI 3.1: the paths of predictions and the four forms of input. Pure.

What is in the columns only the model knows, and splitter reads no bodies; so the schemas say what is the same for every model that
speaks MLflow's scoring protocol.
"""

from __future__ import annotations

from typing import Any

from splitter.routing.snapshot import named_path, split_path
from splitter.store.interface import Entry

_ROW = {"type": "array", "items": {}}
_PARAMS = {"type": "object", "description": "parameters of the model, if it has any"}
_FORMS: dict[str, dict[str, Any]] = {
    "dataframe_split": {
        "type": "object",
        "description": "a table as pandas writes it with orient='split'",
        "properties": {"index": _ROW, "columns": _ROW, "data": {"type": "array", "items": _ROW}},
        "required": ["columns", "data"],
    },
    "dataframe_records": {"type": "array", "items": {"type": "object"}, "description": "a table as a list of rows"},
    "instances": {"type": "array", "items": {}, "description": "tensors by row, as TensorFlow Serving takes them"},
    "inputs": {"type": ["array", "object"], "description": "tensors by column, as TensorFlow Serving takes them"},
}
_HEADERS = {
    "served-model-name": {"schema": {"type": "string"}, "description": "which served model answered"},
    "x-config-version": {"schema": {"type": "string"}, "description": "the version of the configuration that chose it"},
    "x-request-id": {"schema": {"type": "string"}, "description": "the request's own, or one that splitter gave it"},
}
_ERROR = {
    "type": "object",
    "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
    "required": ["error_code", "message"],
}


def openapi(entry: Entry) -> dict[str, Any]:
    """The document of one endpoint: its split, and each of its served models by name."""
    split = _path("Ask the endpoint", "one of its served models answers, by their shares", "query")
    paths = {split_path(entry.name).decode(): split}
    for entity in entry.config.entities:
        path = named_path(entry.name, entity.name).decode()
        paths[path] = _path(f"Ask {entity.name}", "this served model answers, whatever its share", f"query_{entity.name}")
    return {
        "openapi": "3.1.0",
        "info": {"title": entry.name, "version": str(entry.version), "description": str(entry.drafted.draft.kept.get("description", ""))},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {"Input": _input(), "Error": _ERROR},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}, "basic": {"type": "http", "scheme": "basic"}},
        },
        "security": [{}, {"bearer": []}, {"basic": []}],
    }


def _input() -> dict[str, Any]:
    forms = [{"type": "object", "properties": {name: form, "params": _PARAMS}, "required": [name]} for name, form in _FORMS.items()]
    return {"oneOf": forms}


def _path(summary: str, description: str, operation: str) -> dict[str, Any]:
    content = {
        "application/json": {"schema": {"$ref": "#/components/schemas/Input"}},
        "text/csv": {"schema": {"type": "string"}},
    }
    answer = {"description": "the model's own answer", "headers": _HEADERS, "content": {"application/json": {"schema": {}}}}
    error = {"description": "an error", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    return {
        "post": {
            "operationId": operation,
            "summary": summary,
            "description": description,
            "requestBody": {"required": True, "content": content},
            "responses": {"200": answer, "default": error},
        }
    }
