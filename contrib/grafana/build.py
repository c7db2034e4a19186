"""Writes splitter.json, the dashboard, from panels.py: `python3 contrib/grafana/build.py`. Needs nothing but Python.

The JSON is as Grafana 10 keeps a dashboard; newer ones bring it up to date when they import it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from panels import ANNOTATIONS, ROWS, VARIABLES, WINDOW, WINDOWS, Graph, Number, Query

WIDTH = 24
"""Columns of Grafana's grid."""

# The variable, so that it can be chosen anew at any time. Its first value is what the importer asks for; a file that is provisioned is
# not asked about, and there Grafana takes its default data source.
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
INPUT = "DS_PROMETHEUS"


def dashboard() -> dict[str, Any]:
    panels = list(placed(ROWS))
    return {
        "__inputs": [
            {
                "name": INPUT,
                "label": "Prometheus",
                "description": "The Prometheus that scrapes splitter's /metrics",
                "type": "datasource",
                "pluginId": "prometheus",
                "pluginName": "Prometheus",
            }
        ],
        "__elements": {},
        "__requires": [
            {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.0.0"},
            {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
            {"type": "panel", "id": "stat", "name": "Stat", "version": ""},
            {"type": "panel", "id": "timeseries", "name": "Time series", "version": ""},
        ],
        "id": None,
        "uid": "splitter",
        "title": "splitter",
        "description": "Which model answered what: shares, errors, latency, configuration.",
        "tags": ["splitter"],
        "schemaVersion": 38,
        "version": 1,
        "editable": True,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "links": [],
        "liveNow": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timepicker": {},
        "timezone": "",
        "weekStart": "",
        "annotations": {"list": [annotation(*each) for each in ANNOTATIONS]},
        "templating": {"list": [source_variable(), *(query_variable(*each) for each in VARIABLES), window_variable()]},
        "panels": panels,
    }


def placed(rows: Mapping[str, Sequence[Number | Graph]]) -> Iterator[dict[str, Any]]:
    """Every row's title and panels, from left to right and from top to bottom."""
    number = y = 0
    for title, panels in rows.items():
        number += 1
        yield {
            "id": number, "type": "row", "title": title, "collapsed": False, "panels": [],
            "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
        }  # fmt: skip
        y += 1
        x = height = 0
        for panel in panels:
            if x + panel.width > WIDTH:
                x, y, height = 0, y + height, 0
            number += 1
            position = {"x": x, "y": y, "w": panel.width, "h": panel.height}
            yield {"id": number, "gridPos": position} | (graph(panel) if isinstance(panel, Graph) else stat(panel))
            x, height = x + panel.width, max(height, panel.height)
        y += height


def graph(panel: Graph) -> dict[str, Any]:
    lines = {
        "drawStyle": "line",
        "lineInterpolation": "stepAfter" if panel.steps else "linear",
        "lineWidth": 1,
        "fillOpacity": 0,
        "showPoints": "never",
        "spanNulls": False,
    }
    dashes = [
        {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 8]}},
        {"id": "custom.lineInterpolation", "value": "stepAfter"},
    ]
    return {
        "type": "timeseries",
        "title": panel.title,
        "description": panel.text,
        "datasource": SOURCE,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "color": {"mode": "palette-classic"}, "custom": lines},
            "overrides": [{"matcher": {"id": "byRegexp", "options": panel.dashed}, "properties": dashes}] if panel.dashed else [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [target(query, chr(ord("A") + place)) for place, query in enumerate(panel.queries)],
    }


def stat(panel: Number) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.warn is not None:
        steps.append({"color": "red", "value": panel.warn})
    words = (panel.words or {}).items()
    options = {value: {"text": text, "color": color, "index": place} for place, (value, (text, color)) in enumerate(words)}
    return {
        "type": "stat",
        "title": panel.title,
        "description": panel.text,
        "datasource": SOURCE,
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "color": {"mode": "thresholds"},
                "thresholds": {"mode": "absolute", "steps": steps},
                "mappings": [{"type": "value", "options": options}] if options else [],
            },
            "overrides": [],
        },
        "options": {
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
        "targets": [target(Query(panel.expr), "A")],
    }


def target(query: Query, name: str) -> dict[str, Any]:
    return {
        "refId": name,
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "range": True,
        "instant": False,
    }


def annotation(name: str, color: str, expr: str, title: str, text: str) -> dict[str, Any]:
    """The query twice: Grafana since 11.6 reads `target`, those before read `expr` and `step`."""
    return {
        "name": name,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "datasource": SOURCE,
        "expr": expr,
        "step": "60s",
        "target": {"refId": "Anno", "expr": expr, "interval": "60s", "range": True, "instant": False},
        "titleFormat": title,
        "textFormat": text,
        "tagKeys": "",
        "useValueForTime": False,
    }


def source_variable() -> dict[str, Any]:
    chosen = f"${{{INPUT}}}"
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "current": {"text": chosen, "value": chosen},
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
    }


def query_variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "current": {"text": ["All"], "value": ["$__all"]},
        "allValue": ".*",
        "includeAll": True,
        "multi": True,
        "hide": 0,
        "options": [],
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
    }


def window_variable() -> dict[str, Any]:
    return {
        "type": "custom",
        "name": "share_window",
        "label": "Window of shares",
        "query": ",".join(WINDOWS),
        "current": {"text": WINDOW, "value": WINDOW},
        "includeAll": False,
        "multi": False,
        "hide": 0,
        "options": [{"text": each, "value": each, "selected": each == WINDOW} for each in WINDOWS],
        "skipUrlSync": False,
    }


if __name__ == "__main__":
    Path(__file__).with_name("splitter.json").write_text(json.dumps(dashboard(), indent=2) + "\n")
