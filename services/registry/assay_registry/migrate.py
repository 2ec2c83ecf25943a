"""`python -m assay_registry.migrate`: brings the database to the form that this version needs.

Safe to run at every start and by several at once: on PostgreSQL a lock lets one go first; SQLite locks the
whole file.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import Connection, inspect

from assay_registry.database import Database
from assay_shared import logs
from assay_shared.errors import Unavailable

LOCK = 0x61737361
"""The number of PostgreSQL's advisory lock that migrations hold."""

log = logs.get_logger(__name__)


class MigrateSettings(BaseSettings):
    """All that migrating needs: it runs before the other parts are there."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", extra="ignore")

    database_url: SecretStr = Field(description="as the registry's own")
    log_level: str = "INFO"
    log_format: str = Field(default="json", pattern="^(json|console)$")


class OtherRevision(Unavailable):
    """The database has not the form that this version of Assay works with."""

    type = "database-revision"
    title = "The database is of another version of Assay"


def migrate(url: str, revision: str = "head") -> None:
    """Brings the database at this SQLAlchemy URL to a revision; nothing happens when it is there already.

    Raises Unavailable when the database does not answer, and OtherRevision when a newer version of Assay has
    migrated it.
    """
    config = _make_config()
    database = Database(url)
    try:
        with database.session() as session:
            connection = session.connection()
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
            _refuse_newer(ScriptDirectory.from_config(config), connection)
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    finally:
        database.close()


class RevisionCheck:
    """A check of readiness: the database has the form that this version works with. Once it has, it is not
    asked again: the next version's migration must not stop those that still serve."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._head = ScriptDirectory.from_config(_make_config()).get_current_head()
        self._right = False

    def __call__(self) -> None:
        """Raises OtherRevision, and Unavailable when the database does not answer."""
        if self._right:
            return
        with self._database.session() as session:
            found = _read_revision(session.connection())
        if found != self._head:
            raise OtherRevision(
                f"The database is at revision {found}, and this version of Assay works with {self._head}: "
                "run `python -m assay_registry.migrate` of this version"
            )
        self._right = True


def main() -> int:
    """Migrates the database that the environment names; gives the exit status, 1 after a line that says why
    not."""
    settings = MigrateSettings()
    logs.configure_logs("registry-migrate", settings.log_level, settings.log_format)
    # What it would say of a database that is away is said below, with what to do.
    logging.getLogger("assay_registry.database").setLevel(logging.ERROR)
    try:
        migrate(settings.database_url.get_secret_value())
    except OtherRevision as error:
        print(f"migrate: {error.detail}", file=sys.stderr)
        return 1
    except Unavailable as error:
        print(
            f"migrate: The database does not answer ({_say_cause(error)}). Start it, or mend "
            "ASSAY_DATABASE_URL, and run this again",
            file=sys.stderr,
        )
        return 1
    log.info("the database is up to date")
    return 0


def _make_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def _read_revision(connection: Connection) -> str | None:
    """The revision that the database is at; None before the first migration."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return found


def _refuse_newer(scripts: ScriptDirectory, connection: Connection) -> None:
    found = _read_revision(connection)
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise OtherRevision(
            f"The database is at revision {found}, which this version of Assay does not know: a newer one "
            "has migrated it. Start that version again, or restore the backup that was made before it"
        )


def _say_cause(error: Unavailable) -> str:
    """What the driver said, in one line."""
    cause = getattr(error.__cause__, "orig", None) or error.__cause__
    return " ".join(str(cause).split())


if __name__ == "__main__":
    sys.exit(main())
