from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from assay_registry.database import Database
from assay_registry.migrate import migrate
from assay_registry.models import Base
from tests.integration.registry.support import both_databases


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
