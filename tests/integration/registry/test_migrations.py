from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import IntegrityError

from assay_registry.database import Database
from assay_registry.migrate import OtherRevision, RevisionCheck, migrate
from assay_registry.models import Base
from tests.integration.registry.support import Registry, both_databases


@both_databases
def test_migrations_give_the_models_tables(database_url: str) -> None:
    database = Database(database_url)
    with database.session() as session:
        context = MigrationContext.configure(
            session.connection(), opts={"compare_type": True, "target_metadata": Base.metadata}
        )
        assert compare_metadata(context, Base.metadata) == []
    database.close()


@both_databases
def test_indexes_and_checks_that_guard_states_are_there(database_url: str) -> None:
    database = Database(database_url)
    found = inspect(database.engine)
    for name, table in Base.metadata.tables.items():
        indexes = {index["name"]: index for index in found.get_indexes(name)}
        for index in table.indexes:
            assert bool(indexes[str(index.name)]["unique"]) == bool(index.unique)
        checks = {check["name"] for check in found.get_check_constraints(name)}
        assert {f"{column.name}_known" for column in table.c if column.name in {"state", "role"}} <= checks
    query = (
        "SELECT indexdef FROM pg_indexes WHERE indexname = 'one_active_run'"
        if database.engine.dialect.name == "postgresql"
        else "SELECT sql FROM sqlite_master WHERE name = 'one_active_run'"
    )
    with database.session() as session:
        definition = session.execute(text(query)).scalar_one()
    assert "WHERE" in definition
    assert "evaluating" in definition
    database.close()


@both_databases
def test_migrating_again_changes_nothing(database_url: str) -> None:
    migrate(database_url)
    database = Database(database_url)
    with database.session() as session:
        assert session.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1
    database.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_what_the_first_version_wrote_survives(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/old.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    migrate(url, "0001")
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in (
            "INSERT INTO brands VALUES ('b', 'B', '{}', 1, 1, '2026-01-01 00:00:00')",
            "INSERT INTO images (brand, sha256, extension, width, height, perceptual_hash, method, state, "
            "upload, name, stem, annotations, created_at) VALUES ('b', 'abc', 'jpg', 3, 2, '0', 'segments', "
            "'accepted', 'u', 'x.jpg', 'x', '[]', '2026-01-01 00:00:00')",
            "INSERT INTO verifications VALUES ('ver_1', 'b', 'genuine', "
            """'{"score": 0.75, "model_version": "v3"}', '2026-01-01 00:00:00')""",
        ):
            connection.exec_driver_sql(statement)
    migrate(url)
    with engine.begin() as connection:
        told = connection.execute(text("SELECT score, model_version, appearance_p FROM verifications")).one()
        assert tuple(told) == (0.75, "v3", None)
        image = connection.execute(text("SELECT state, truth, in_dataset, width FROM images")).one()
        assert tuple(image) == ("accepted", None, False, 3)
        connection.execute(text("UPDATE images SET state = 'kept'"))
    for wrong in ("UPDATE images SET state = 'lost'", "UPDATE images SET truth = 'perhaps'"):
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(text(wrong))
    engine.dispose()


def run_migrate(url: str) -> tuple[int, list[str]]:
    """The job as it is run at every start: its exit status and what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "assay_registry.migrate"],
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": os.pathsep.join(sys.path),
            "ASSAY_DATABASE_URL": url,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stderr.splitlines()


def put_at(url: str, revision: str) -> str:
    """Has the database say that it is at this revision; gives the one that it was at."""
    engine = create_engine(url)
    with engine.begin() as connection:
        before: str = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        connection.execute(text("UPDATE alembic_version SET version_num = :new"), {"new": revision})
    engine.dispose()
    return before


@both_databases
def test_the_job_refuses_the_database_of_a_newer_version(database_url: str) -> None:
    assert run_migrate(database_url)[0] == 0
    before = put_at(database_url, "9999_from_the_future")
    status, lines = run_migrate(database_url)
    assert (status, len(lines)) == (1, 1)
    assert "9999_from_the_future" in lines[0]
    assert "restore the backup" in lines[0]
    assert put_at(database_url, before) == "9999_from_the_future"


def test_the_job_names_a_database_that_is_away() -> None:
    status, lines = run_migrate("postgresql+psycopg://assay:secret-word@127.0.0.1:1/assay")
    assert (status, len(lines)) == (1, 1)
    assert lines[0].startswith("migrate: The database does not answer")
    assert "refused" in lines[0].lower()
    assert "secret-word" not in lines[0]


@both_databases
def test_the_registry_is_not_ready_with_another_database(database_url: str, registry: Registry) -> None:
    # The registry's own check has seen the right revision, and stays ready while a newer version migrates.
    assert registry.client.get("/readyz").status_code == 200
    before = put_at(database_url, "9999_from_the_future")
    assert registry.client.get("/readyz").status_code == 200
    check = RevisionCheck(registry.context.database)
    with pytest.raises(OtherRevision, match="9999_from_the_future"):
        check()
    put_at(database_url, before)
    check()


def test_an_empty_database_is_not_ready(postgres_url: str) -> None:
    database = Database(postgres_url)
    with pytest.raises(OtherRevision, match="None"):
        RevisionCheck(database)()
    database.close()
