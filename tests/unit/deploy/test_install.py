from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from deploy.local import install

LOCK = (Path(__file__).parents[3] / "requirements.lock").read_text()


class Disk(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def no_venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(install, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(install, "STAMP", tmp_path / ".venv" / "installed.sha256")
    return tmp_path / ".venv"


def test_lock_has_hashes_and_no_addresses() -> None:
    assert "://" not in LOCK
    pins = re.findall(r"^[A-Za-z0-9._-]+==.*\\\n    --hash=sha256:[0-9a-f]{64}", LOCK, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^[^\s#]", LOCK, re.MULTILINE)) > 100


def test_missing_venv_module_is_named(no_venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(install.NotInstalled, match=r"apt-get install python3\.\d+-venv"):
        install.install()


def test_too_little_disk_is_named(no_venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Disk(100 << 30, 95 << 30, 5 << 30))
    with pytest.raises(install.NotInstalled, match=r"12 GB of disk are needed for the packages, 5\.0 GB"):
        install.install()
    assert not no_venv.exists()


def test_installed_state_is_left_alone(no_venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (no_venv / "bin").mkdir(parents=True)
    (no_venv / "bin" / "python").touch()
    (no_venv / "installed.sha256").write_text(install.state_of_lock() + "\n")
    monkeypatch.setattr(install, "_do", lambda *_arguments: pytest.fail("something was installed"))
    install.install()


def test_failed_step_leaves_no_stamp(no_venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (no_venv / "bin").mkdir(parents=True)
    (no_venv / "bin" / "python").touch()
    (no_venv / "installed.sha256").write_text("another state\n")

    def fail(_command: list[str], failure: str) -> None:
        raise install.NotInstalled(failure)

    monkeypatch.setattr(install, "_do", fail)
    with pytest.raises(install.NotInstalled):
        install.install()
    assert not (no_venv / "installed.sha256").exists()


def test_one_package_of_the_lock() -> None:
    first, *hashes = install.read_locked("uv").splitlines()
    assert first.startswith("uv==")
    assert hashes
    assert all(line.startswith("    --hash=sha256:") for line in hashes)
    with pytest.raises(install.NotInstalled, match="lacks no-such-package"):
        install.read_locked("no-such-package")


@pytest.mark.parametrize("status", [0, 1])
def test_pip_does_what_uv_cannot(no_venv: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    (no_venv / "bin").mkdir(parents=True)
    for name, ends in (("python", 0), ("uv", status)):
        program = no_venv / "bin" / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >> {no_venv}/ran\nexit {ends}\n')
        program.chmod(0o755)
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.invalid/simple")
    install.install()
    ran = (no_venv / "ran").read_text().splitlines()
    assert sum(line.startswith("uv pip install") for line in ran) == 2
    assert sum(line.startswith("python -m pip") and " install " in line for line in ran) == 2 * status
    assert (no_venv / "installed.sha256").exists()
