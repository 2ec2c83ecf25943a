"""What the images and the compose files must agree on, without a Docker engine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.local.lock import IMAGE_LOCKS, LOCK
from deploy.local.minio import VERSION

ROOT = Path(__file__).parents[3]
FOR_SAGEMAKER = ROOT / "deploy/sagemaker/Dockerfile"
"""Not an image of its own: one of ours with SageMaker's user, pushed to ECR and never run on a box."""
DOCKERFILES = [
    *sorted((ROOT / "services").glob("*/*Dockerfile")),
    *sorted(path for path in (ROOT / "deploy").glob("*/Dockerfile") if path != FOR_SAGEMAKER),
]
PYTHON_DOCKERFILES = [path for path in DOCKERFILES if "AS python" in path.read_text()]
COMPOSE_FILES = [ROOT / "docker-compose.yml", *sorted((ROOT / "deploy").glob("compose.*.yml"))]
SCRIPTS = sorted([*(ROOT / "deploy").glob("*.sh"), *(ROOT / "deploy/sagemaker").glob("*.sh")])


def stages(dockerfile: Path) -> dict[str, str]:
    """The text of each named stage; the last one is called `image`."""
    parts = re.split(r"^FROM ", dockerfile.read_text(), flags=re.MULTILINE)[1:]
    found = {}
    for part in parts:
        # A comment at the end of a stage is the next one's.
        text = re.sub(r"(?:\n#[^\n]*)*\s*$", "", part)
        named = re.match(r"\S+ AS (\S+)", text)
        found[named[1] if named else "image"] = text
    return found


@pytest.mark.parametrize("stage", ["python", "pip", "base", "torch"])
def test_shared_stages_are_the_same_text(stage: str) -> None:
    texts = {
        path.name: found[stage] for path in PYTHON_DOCKERFILES if stage in (found := stages(path))
    }.values()
    assert len(PYTHON_DOCKERFILES) == 6
    assert len(set(texts)) == 1


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_image_has_no_root_and_says_what_it_is(path: Path) -> None:
    image = stages(path)["image"]
    assert "\nUSER assay\n" in image
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in image


def test_nothing_on_a_box_runs_the_image_for_sagemaker() -> None:
    assert re.findall(r"^\w+", FOR_SAGEMAKER.read_text(), re.MULTILINE) == ["ARG", "FROM", "USER"]
    assert not [path.name for path in COMPOSE_FILES if "deploy/sagemaker/Dockerfile" in path.read_text()]


def test_locks_of_images_agree_with_the_one_that_tests_run_on() -> None:
    def versions(lock: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9.-]+)==([^ \\;]+)", (ROOT / lock).read_text(), re.MULTILINE))

    tested = versions(LOCK)
    for lock in IMAGE_LOCKS:
        mine = versions(lock)
        assert mine, lock
        assert mine.items() <= tested.items(), lock
        assert "://" not in (ROOT / lock).read_text(), lock


def test_minio_is_the_one_that_tests_run_on() -> None:
    assert f"ARG MINIO_VERSION={VERSION}\n" in (ROOT / "deploy/minio/Dockerfile").read_text()


def test_every_setting_of_compose_is_described() -> None:
    described = set(re.findall(r"^#?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    # What make gives, and what one box writes for another (make worker-env).
    given = {"ASSAY_REVISION", "ASSAY_REGISTRY_URL", "REDIS_ADDRESS", "S3_ENDPOINT", "ASSAY_ENGINE_URLS"}
    for path in COMPOSE_FILES:
        used = set(re.findall(r"(?<!\$)\$\{([A-Z0-9_]+)", path.read_text()))
        assert used - described - given == set(), path.name


def test_secrets_have_no_default() -> None:
    for path in COMPOSE_FILES:
        for name, rest in re.findall(r"(?<!\$)\$\{([A-Z0-9_]+)([^}]*)\}", path.read_text()):
            if re.search(r"PASSWORD$|SECRET$|SECRET_KEY$|TOKEN$|SHA256$", name):
                # Keys of AWS may be absent: on a machine in AWS its role takes their place.
                assert rest.startswith(":?") or (name.startswith("AWS_") and rest == ":-"), (
                    f"{path.name}: {name}"
                )


def test_only_doors_publish_ports() -> None:
    main = yaml.safe_load(COMPOSE_FILES[0].read_text())
    assert [name for name, service in main["services"].items() if "ports" in service] == ["gateway"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_posix_shell(script: Path) -> None:
    assert script.stat().st_mode & 0o111 or script.name == "lib.sh"
    checked = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
