"""Alerts and dashboard ask for what is really exported: a name that nothing exports never fires."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from assay_shared.errors import all_errors

FOLDER = Path(__file__).parents[3] / "deploy/observability"
DASHBOARD = FOLDER / "grafana/dashboards/assay.json"
MODULES = (
    "assay_shared.web",
    "assay_registry.metrics",
    "assay_registry.brand_metrics",
    "assay_ingest.metrics",
    "assay_ingest.queue_metrics",
    "assay_inference.app",
    "assay_inference.engine_client",
    "assay_engine.metrics",
    "assay_inference.log_spool",
    "assay_inference.picture_spool",
    "assay_inference.stages",
    "assay_inference.verifier",
)
"""Where Assay declares its metrics."""
FOREIGN = {
    # Prometheus itself, and the client library
    "ALERTS",
    "up",
    "process_start_time_seconds",
    "prometheus_rule_evaluation_failures_total",
    # TorchServe 0.12: ts/configs/metrics.yaml
    "ts_inference_requests_total",
    "ts_inference_latency_microseconds",
    "ts_queue_latency_microseconds",
    "Requests4XX",
    "Requests5XX",
    # MinIO: /minio/v2/metrics/cluster of the version in deploy/local/minio.py
    "minio_cluster_capacity_usable_free_bytes",
    "minio_cluster_capacity_usable_total_bytes",
    "minio_cluster_health_status",
    "minio_cluster_usage_object_total",
    "minio_cluster_usage_total_bytes",
    "minio_notify_target_queue_length",
}
"""Names that others export."""
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
WORDS = {"and", "or", "unless", "offset", "bool"}
GROUPING = r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"


def exported() -> dict[str, set[str]]:
    """The label names of every series that Assay's services export."""
    for module in MODULES:
        import_module(module)
    found = {}
    for collector in list(REGISTRY._collector_to_names):
        labels = {*getattr(collector, "_labelnames", ()), "job", "instance", "le"}
        for family in collector.collect():
            for suffix in SUFFIXES.get(family.type, ()):
                found[family.name + suffix] = labels
    return {name: labels for name, labels in found.items() if name.startswith("assay_")}


def alerts() -> list[dict[str, Any]]:
    document = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions() -> Iterator[tuple[str, str]]:
    """Where an expression is, and the expression."""
    for rule in alerts():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def read_selectors(expression: str) -> dict[str, set[str]]:
    """The series that an expression asks for, each with the labels that it matches."""
    found: dict[str, set[str]] = {}
    plain = re.sub(r'"[^"]*"', '""', expression)
    plain = re.sub(r"\[[^\]]*\]|\boffset\s+\w+", " ", re.sub(GROUPING, " ", plain))
    for name, matchers in re.findall(r"(?<![\w:])([a-zA-Z_:][\w:]*)(?![\w:]*\s*\()\s*(\{[^}]*\})?", plain):
        if name not in WORDS:
            found.setdefault(name, set()).update(re.findall(r"(\w+)\s*(?:=|!=|=~|!~)\s*\"", matchers))
    return found


def test_selectors_are_read() -> None:
    expression = 'sum by (a) (rate(b_total{c="x{y}",d=~"z"}[5m])) / on() e offset 15m > 0.05 and up == 1'
    assert read_selectors(expression) == {"b_total": {"c", "d"}, "e": set(), "up": set()}


def test_every_series_that_is_asked_for_exists() -> None:
    known = exported()
    asked = [
        (where, name, labels)
        for where, text in expressions()
        for name, labels in read_selectors(text).items()
    ]
    assert len({name for _, name, _ in asked}) > 30
    for where, name, labels in asked:
        assert name in known or name in FOREIGN, f"{where}: nothing exports {name}"
        if name in known:
            assert labels <= known[name], f"{where}: {name} has no label {labels - known[name]}"
    assert {name for _, name, _ in asked} >= FOREIGN, "FOREIGN lists names that nobody asks for"


def test_problem_types_that_are_asked_for_exist() -> None:
    exported()
    text = "\n".join(text for _, text in expressions())
    asked = set(re.findall(r'assay_verification_problems_total\{type="([^"]+)"', text))
    assert asked
    assert asked <= all_errors().keys()


def test_every_alert_says_what_it_means_and_how_bad_it_is() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names))
    for rule in alerts():
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
        assert rule["annotations"]["summary"].strip(), rule["alert"]
        assert len(rule["annotations"]["description"]) > 40, rule["alert"]


def test_a_service_that_is_stopped_is_missed() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    jobs = {job["job_name"] for job in config["scrape_configs"] if "dns_sd_configs" in job}
    (expression,) = (rule["expr"] for rule in alerts() if rule["alert"] == "TargetMissing")
    assert set(re.findall(r'absent\(up\{job="([^"]+)"\}\)', expression)) == jobs


def test_panels_have_an_id_a_title_a_unit_and_a_place_of_their_own() -> None:
    found = panels()
    ids = [panel["id"] for panel in found]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in found:
        assert panel["title"].strip(), panel["id"]
        place = panel["gridPos"]
        cells = {
            (place["x"] + column, place["y"] + line)
            for column in range(place["w"])
            for line in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@pytest.mark.parametrize(
    "panel", [panel for panel in panels() if panel["type"] != "row"], ids=lambda panel: panel["title"]
)
def test_panels_ask_the_provisioned_datasource(panel: dict[str, Any]) -> None:
    provisioned = yaml.safe_load((FOLDER / "grafana/provisioning/datasources/prometheus.yml").read_text())
    (source,) = provisioned["datasources"]
    wanted = {"type": source["type"], "uid": source["uid"]}
    assert panel["datasource"] == wanted
    assert [target["datasource"] for target in panel["targets"]] == [wanted] * len(panel["targets"])
