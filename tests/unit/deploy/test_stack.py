from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from deploy.local.credentials import Credentials, write_private
from deploy.local.ports import Ports
from deploy.local.services import Services
from deploy.local.stack import Stack, StackInUse


def test_credentials_are_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    made = Credentials.of(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Credentials.of(path) == made
    assert Credentials.of(tmp_path / "other.json").admin_key != made.admin_key


def test_private_file_does_not_take_over_an_open_one(tmp_path: Path) -> None:
    path = tmp_path / "access.json"
    path.write_text("{}")
    path.chmod(0o644)
    write_private(path, {"api": "http://127.0.0.1"})
    assert path.stat().st_mode & 0o777 == 0o600


def test_two_stacks_do_not_share_a_folder(tmp_path: Path) -> None:
    first = Stack(tmp_path, usual_ports=False)
    with pytest.raises(StackInUse, match=str(tmp_path)):
        Stack(tmp_path, usual_ports=False, fresh=True)
    assert (tmp_path / "secrets.json").exists()
    first.stop()
    Stack(tmp_path, usual_ports=False).stop()


def test_fresh_stack_forgets_the_last_one(tmp_path: Path) -> None:
    old = Stack(tmp_path, usual_ports=False)
    old.stop()
    (tmp_path / "store").mkdir()
    new = Stack(tmp_path, usual_ports=False, fresh=True)
    new.stop()
    assert new.admin_key != old.admin_key
    assert not (tmp_path / "store").exists()


def test_services_never_see_the_admin_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    credentials = Credentials.of(tmp_path / "secrets.json")
    overrides = {"*": {"ASSAY_LOG_LEVEL": "DEBUG"}, "trainer": {"ASSAY_DEVICE": "cpu"}}
    programs = Services(tmp_path, Ports(), credentials, 1.0, overrides).programs()
    for program in programs:
        said = " ".join([*program.command, *program.environment.values()])
        assert credentials.admin_key not in said
        assert "proxy.example" not in said
    trainer = next(program for program in programs if program.name == "trainer")
    hashed = hashlib.sha256(credentials.admin_key.encode()).hexdigest()
    assert trainer.environment["ASSAY_ADMIN_KEY_SHA256"] == hashed
    assert (trainer.environment["ASSAY_LOG_LEVEL"], trainer.environment["ASSAY_DEVICE"]) == ("DEBUG", "cpu")
