"""The shell scripts' own logic: reading and writing .env, choosing overlays, comparing versions."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DEPLOY = Path(__file__).parents[3] / "deploy"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts, and a script that runs what it is told with the functions of lib.sh."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(DEPLOY, folder / "deploy", ignore=shutil.ignore_patterns("local", "__pycache__"))
    (folder / "deploy" / "call.sh").write_text('. "$(dirname "$0")/lib.sh"\n"$@"\n')
    return folder


def call(checkout: Path, *words: str, status: int = 0) -> str:
    done = subprocess.run(
        ["sh", str(checkout / "deploy" / "call.sh"), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    return done.stdout


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["C", "Z"])))
def test_settings_are_kept_as_they_were_written(checkout: Path, value: str) -> None:
    env = checkout / ".env"
    env.write_text("# A=comment\nA_LONGER=1\n#A=default\nB=2\n")
    call(checkout, "set_env", "A", value)
    assert env.read_text() == f"# A=comment\nA_LONGER=1\nA={value}\nB=2\n"
    assert call(checkout, "get_env", "A", "else") == (value or "else")
    assert env.stat().st_mode & 0o777 == 0o600


def test_a_new_setting_is_added_and_the_last_one_counts(checkout: Path) -> None:
    (checkout / ".env").write_text("A=1\nA=2\n")
    assert call(checkout, "get_env", "A") == "2"
    assert call(checkout, "get_env", "NONE", "default") == "default"
    call(checkout, "set_env", "B", "3")
    assert call(checkout, "get_env", "B") == "3"


def test_secrets_are_filled_in_once(checkout: Path) -> None:
    env = checkout / ".env"
    env.write_text("REDIS_PASSWORD=mine\nPOSTGRES_PASSWORD=\n")
    call(checkout, "fill_secrets")
    made = env.read_text()
    assert "REDIS_PASSWORD=mine\n" in made
    assert len(call(checkout, "get_env", "POSTGRES_PASSWORD")) == 64
    call(checkout, "fill_secrets")
    assert env.read_text() == made


@pytest.mark.parametrize(
    ("have", "want", "enough"),
    [
        ("2.24.4", "2.24.4", True),
        ("2.26.1-4", "2.24.4", True),
        ("5.0.1", "2.24.4", True),
        ("2.9.0", "2.24.4", False),
        ("20.10.24+dfsg1", "20.10", True),
        ("19.03.5", "20.10", False),
    ],
)
def test_versions_are_compared_as_numbers(checkout: Path, have: str, want: str, enough: bool) -> None:
    call(checkout, "version_at_least", have, want, status=0 if enough else 1)
