"""The walls of the house: no service imports another, one talks SQL, torch stays where it is used."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "assay_shared": ROOT / "shared/assay_shared",
    "assay_registry": ROOT / "services/registry/assay_registry",
    "assay_ingest": ROOT / "services/ingest/assay_ingest",
    "assay_trainer": ROOT / "services/trainer/assay_trainer",
    "assay_inference": ROOT / "services/inference/assay_inference",
    "assay_engine": ROOT / "services/inference/assay_engine",
}
MAY_IMPORT = {
    "assay_inference": {"assay_engine"},  # one service, two packages: the frames between them
}


def list_imports(path: Path) -> set[str]:
    """The first names of all modules that a file imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_no_service_imports_another(package: str) -> None:
    files = sorted(PACKAGES[package].rglob("*.py"))
    assert files
    allowed = {package, "assay_shared"} | MAY_IMPORT.get(package, set())
    for path in files:
        strange = (list_imports(path) & PACKAGES.keys()) - allowed
        assert not strange, f"{path.relative_to(ROOT)} imports {sorted(strange)}"


def test_only_the_registry_talks_sql() -> None:
    for package in PACKAGES.keys() - {"assay_registry"}:
        for path in PACKAGES[package].rglob("*.py"):
            assert "sqlalchemy" not in list_imports(path), path


def test_what_idles_or_waits_holds_no_torch() -> None:
    heavy = {"torch", "torchvision", "ultralytics", "safetensors"}
    light = [
        *PACKAGES["assay_inference"].rglob("*.py"),
        *(
            PACKAGES["assay_trainer"] / name
            for name in ("worker.py", "run.py", "heartbeat.py", "model_store.py", "child.py", "artifact.py")
        ),
        *(
            PACKAGES["assay_trainer"] / name
            for name in ("backends.py", "local_backend.py", "job_checkpoints.py", "checkpoint_files.py")
        ),
        *PACKAGES["assay_trainer"].glob("sagemaker_*.py"),
        *(PACKAGES["assay_shared"] / name for name in ("model_description.py", "wire.py")),
        *(
            PACKAGES["assay_shared"] / "detector" / name
            for name in ("overlap.py", "preprocess.py", "rivals.py")
        ),
    ]
    for path in light:
        assert not list_imports(path) & heavy, path
