"""The guide for running in production, the dashboard and the alert rules say what the service has, and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from optimizer.services.reports.gauges import GAUGES
from optimizer.settings import Settings
from optimizer.web.observing.exposition import HOST_GAUGES, WORKER_CPU, WORKER_GAUGES
from optimizer.web.observing.telemetry import METRICS

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "operations.md").read_text()
RULES = YAML(typ="safe").load(ROOT / "deploy" / "prometheus" / "alerts.yaml")
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "optimizer.json").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]

# What Prometheus itself adds to every sample, or makes of every target.
TARGET_LABELS = {"instance", "job"}
OF_PROMETHEUS = {"up": {"instance", "job"}}
WORDS = {  # of PromQL, as far as they are used here; labels are looked at apart
    *("sum", "rate", "increase", "changes", "max", "min", "count", "by", "on", "or", "and", "abs", "timestamp"),
    *("histogram_quantile", "predict_linear", "offset", "vector", "label_values", "unless"),
}


def documented() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Name, kind, labels and meaning of every metric."""
    for metric in METRICS:
        ending = "_total" if metric.kind == "counter" else ""
        yield metric.name + ending, metric.kind, metric.labels, metric.text
    yield f"{WORKER_CPU.name}_total", "counter", WORKER_CPU.labels, WORKER_CPU.text
    for gauge in (*WORKER_GAUGES, *HOST_GAUGES, *GAUGES):
        yield gauge.name, "gauge", gauge.labels, gauge.text


def series() -> Mapping[str, set[str]]:
    """The labels of every series that a scrape has, by name."""
    found: dict[str, set[str]] = {name: set(labels) for name, labels in OF_PROMETHEUS.items()}
    for name, kind, labels, _ in documented():
        if kind == "histogram":
            found |= {f"{name}_{part}": {*labels} for part in ("sum", "count")}
            found[f"{name}_bucket"] = {*labels, "le"}
        else:
            found[name] = {*labels}
    return found


def used(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Every series an expression names, with the labels it asks of it."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    grouped = {label.strip() for group in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", bare) for label in group.split(",")}
    yield from (("", {label}) for label in grouped - {""})
    bare = re.sub(r"\b(?:by|on)\s*\([^)]*\)", "", bare)
    bare = re.sub(r"\[[^\]]*\]", "", re.sub(r"offset \w+", "", bare))
    for name, _, matchers in re.findall(r"(?<![\w.])([a-zA-Z_:][\w:]*)(\{([^}]*)\})?", bare):
        if name not in WORDS and not re.search(rf"\{{[^}}]*\b{name}\b[^}}]*\}}", bare):
            yield name, set(re.findall(r"(\w+)\s*[=!]", matchers))


def expressions() -> Iterator[tuple[str, str]]:
    for rule in ALERTS:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for note in DASHBOARD["annotations"]["list"]:
        yield note["name"], note["expr"]


def test_rules_and_panels_use_metrics_and_labels_that_exist() -> None:
    known = series()
    every_label = set().union(*known.values(), TARGET_LABELS)
    for where, expression in expressions():
        found = list(used(expression))
        assert any(name for name, _ in found), f"{where} looks at nothing"
        for name, labels in found:
            assert not name or name in known, f"{where}: {name} does not exist"
            allowed = known[name] | TARGET_LABELS if name else every_label
            assert labels <= allowed, f"{where}: {name} has no {labels - allowed}"


def test_a_metric_that_does_not_exist_would_be_noticed() -> None:
    found = dict(used('sum by (route) (rate(optimizer_nothing_total{status="x",le="1"}[5m])) > 0.5'))
    assert found == {"": {"route"}, "optimizer_nothing_total": {"status", "le"}}


def test_the_variable_of_the_dashboard_exists() -> None:
    (campaign,) = [one for one in DASHBOARD["templating"]["list"] if one["name"] == "campaign"]
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", campaign["query"]["query"]).groups()  # type: ignore[union-attr]
    assert label in series()[metric]


def test_every_metric_is_on_the_dashboard_or_in_a_rule_or_plainly_technical() -> None:
    seen = {name for _, expression in expressions() for name, _ in used(expression)}
    seen = {re.sub(r"_(bucket|sum|count)$", "", name) for name in seen}
    technical = {"process_virtual_memory_bytes", "process_open_fds", "process_max_fds", "optimizer_build_info"}
    assert {name for name, _, _, _ in documented()} - seen - technical == set()


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    runbooks = re.findall(r"^### (Optimizer\w+)$", GUIDE, re.MULTILINE)
    assert sorted(runbooks) == sorted(rule["alert"] for rule in ALERTS)
    for rule in ALERTS:
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_labels_that_a_summary_shows_are_kept_by_its_expression() -> None:
    for rule in ALERTS:
        for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            kept = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", rule["expr"])
            assert not kept or any(label in group for group in kept), f"{rule['alert']}: {label} is summed away"


def table(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading of the guide."""
    part = re.split(r"^## ", GUIDE.split(f"\n## {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| (`.*) \|$", part, re.MULTILINE)
    return [[cell.strip() for cell in row.split(" | ")] for row in rows]


def test_the_table_of_metrics_is_complete() -> None:
    expected = [
        [f"`{name}`", kind, ", ".join(f"`{label}`" for label in labels), text]
        for name, kind, labels, text in documented()
    ]
    found = [row if len(row) == 4 else [*row[:2], "", row[2].removeprefix("| ")] for row in table("Metrics")]
    assert found == expected


def test_the_table_of_settings_is_complete() -> None:
    named = {
        str(field.validation_alias or f"OPTIMIZER_{name.upper()}"): field.description
        for name, field in Settings.model_fields.items()
    }
    rows = {name.strip("`"): meaning for name, meaning in table("Settings")}
    assert {name: meaning for name, meaning in rows.items() if name in named} == named
    commands = "\n".join(path.read_text() for path in (ROOT / "src" / "optimizer" / "cli").glob("*.py"))
    of_commands = set(re.findall(r'envvar="(\w+)"', commands)) - {"OPTIMIZER_DATA"}  # that one is for rehearsals
    assert set(rows) - set(named) == of_commands


def test_names_follow_the_conventions_of_prometheus() -> None:
    for name, kind, labels, text in documented():
        assert re.fullmatch(r"(optimizer|process)_[a-z0-9_]+", name)
        assert (kind == "counter") == name.endswith("_total")
        assert text.endswith(".")
        assert all(re.fullmatch(r"[a-z]+", label) for label in labels)
    names = [name for name, *_ in documented()]
    assert len(names) == len(set(names))


def test_panels_do_not_overlap_and_say_what_they_show() -> None:
    taken: dict[tuple[int, int], str] = {}
    panels: list[Any] = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
