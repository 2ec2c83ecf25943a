"""From the version before this one to this one with data in place, and back when something fails."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.brand_client import BrandClient
from tests.support.alike import find_differences
from tests.support.box import REPOSITORY, Box, TaughtBrand, check_out, docker, new_box, untag

pytestmark = pytest.mark.timeout(2400)
DEPLOYED = ("services", "shared", "deploy", "docker-compose.yml", "Makefile")
MIGRATIONS = "services/registry/assay_registry/migrations/versions"
BROKEN_MIGRATION = '''"""Breaks in the middle."""
from alembic import op
revision = "9999"
down_revision = "{head}"
branch_labels = depends_on = None
def upgrade() -> None:
    op.execute("CREATE TABLE half_done (id int)")
    raise RuntimeError("this migration is broken")
'''
WHOLE_MIGRATION = '''"""Works."""
from alembic import op
revision = "9999"
down_revision = "{head}"
branch_labels = depends_on = None
def upgrade() -> None:
    op.execute("CREATE TABLE all_done (id int)")
    op.execute("DROP TABLE verifications")
'''


def previous_revision() -> str:
    """The newest commit that has the compose stack and another content than this working tree; HEAD where
    there is none yet."""

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *words], cwd=REPOSITORY, capture_output=True, text=True, check=False)

    for revision in git("rev-list", "--first-parent", "-n", "200", "HEAD").stdout.split():
        if git("cat-file", "-e", f"{revision}:docker-compose.yml").returncode:
            break
        if git("diff", "--quiet", revision, "--", *DEPLOYED).returncode:
            return revision
    return "HEAD"


@pytest.fixture(scope="module")
def backup(box: Box, taught: TaughtBrand, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data to put in place."""
    file = tmp_path_factory.mktemp("data") / "assay.tar"
    box.make("backup", FILE=str(file))
    return file


@pytest.fixture(scope="module")
def judged(taught: TaughtBrand) -> dict[str, Any]:
    """What this version says of a picture."""
    return judge(taught.client, taught)


@pytest.fixture(scope="module")
def old_box(
    box: Box,
    backup: Path,
    judged: dict[str, Any],  # before the other box rests
    version: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Box]:
    """A box that runs the version before this one, with data; the other box rests meanwhile."""
    box.compose("stop")
    tag = f"{version}-old"
    folder = tmp_path_factory.mktemp("old") / "assay"
    try:
        with new_box(folder, f"assay-{tag}", tag, revision=previous_revision(), shares_images=True) as made:
            made.make("restore", FILE=str(backup))
            # The keys in the backup are the other box's.
            made.admin_key = box.admin_key
            yield made
    finally:
        untag(tag)
        box.make("up")


@pytest.fixture
def client(old_box: Box, taught: TaughtBrand) -> Iterator[BrandClient]:
    """The brand, at the old box."""
    with taught.client.at(old_box.api) as there:
        yield there


def judge(client: BrandClient, taught: TaughtBrand) -> dict[str, Any]:
    body = client.verify(taught.test_photos[0].data, brand="taught").body
    return {key: body[key] for key in ("verdict", "detections", "model_version")}


def images(box: Box) -> dict[str, str]:
    """Which image every service runs."""
    return {
        item["Config"]["Labels"]["com.docker.compose.service"]: item["Image"]
        for item in box.inspect()
        if item["State"]["Running"]
    }


def pull(box: Box) -> None:
    """What `git pull` does: the checkout becomes this version; what git does not know stays."""
    for name in DEPLOYED:
        place = box.folder / name
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink()
    check_out(box.folder, None)
    # Whatever the two versions differ in, their images do.
    with (box.folder / "services/registry/assay_registry/__init__.py").open("a") as file:
        file.write("# pulled\n")


def add_migration(box: Box, text: str) -> Path:
    """A migration after the newest one."""
    folder = box.folder / MIGRATIONS
    head = max(path.name.partition("_")[0] for path in folder.glob("*.py"))
    path = folder / "9999_test.py"
    path.write_text(text.replace("{head}", head))
    return path


def has_table(box: Box, name: str) -> bool:
    query = f"SELECT to_regclass('{name}') IS NOT NULL"
    return box.compose("exec", "-T", "postgres", "psql", "-U", "assay", "-Atc", query).strip() == "t"


def test_upgrade_keeps_everything(
    old_box: Box, client: BrandClient, taught: TaughtBrand, judged: dict[str, Any]
) -> None:
    before = judge(client, taught)
    # This version learnt the data's appearances; where their format is new, the one before calls verdicts
    # inconclusive.
    del before["verdict"]
    past = {item["id"] for item in client.call_all("/verifications")}
    ran = images(old_box)
    pull(old_box)
    old_box.make("upgrade")
    assert not old_box.unhealthy()
    assert images(old_box)["registry"] != ran["registry"]
    after = judge(client, taught)
    assert not find_differences(after, judged)
    assert not find_differences({name: after[name] for name in before}, before)
    assert past <= {item["id"] for item in client.call_all("/verifications")}
    assert list((old_box.folder / "backups").glob("before-upgrade-*.tar"))


def test_an_upgrade_whose_migration_fails_goes_back(
    old_box: Box, client: BrandClient, taught: TaughtBrand
) -> None:
    before, ran = judge(client, taught), images(old_box)
    path = add_migration(old_box, BROKEN_MIGRATION)
    try:
        said = old_box.make("upgrade", status=1)
    finally:
        path.unlink()
    assert "this migration is broken" in said
    assert "what ran before runs again" in said
    assert images(old_box) == ran
    assert not old_box.unhealthy()
    assert not has_table(old_box, "half_done")
    assert not find_differences(judge(client, taught), before)


def test_an_upgrade_that_does_not_start_goes_back_with_its_database(
    old_box: Box, client: BrandClient, taught: TaughtBrand
) -> None:
    before, ran = judge(client, taught), images(old_box)
    past = {item["id"] for item in client.call_all("/verifications")}
    path = add_migration(old_box, WHOLE_MIGRATION)
    app = old_box.folder / "services/registry/assay_registry/__main__.py"
    sound = app.read_text()
    app.write_text('raise SystemExit("this version does not start")\n')
    try:
        said = old_box.make("upgrade", status=1, UP_SECONDS="45")
    finally:
        path.unlink()
        app.write_text(sound)
    assert "what ran before runs again" in said
    assert images(old_box) == ran
    assert not has_table(old_box, "all_done")
    assert past <= {item["id"] for item in client.call_all("/verifications")}
    assert not find_differences(judge(client, taught), before)
    # Nothing of a former try is in the way of the next.
    old_box.make("upgrade")
    assert docker("image", "ls", "-q", "assay-rollback")
