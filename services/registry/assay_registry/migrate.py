"""`python -m assay_registry.migrate`: brings the database to the form that this version needs.

Safe to run at every start and by several at once: on PostgreSQL a lock lets one go first; SQLite locks the
whole file.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from assay_registry.database import Database
from assay_shared import logs

LOCK = 0x61737361
"""The number of PostgreSQL's advisory lock that migrations hold."""

log = logs.get_logger(__name__)


class MigrateSettings(BaseSettings):
    """All that migrating needs: it runs before the other parts are there."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", extra="ignore")

    database_url: SecretStr = Field(description="as the registry's own")
    log_level: str = "INFO"
    log_format: str = Field(default="json", pattern="^(json|console)$")


def migrate(url: str, revision: str = "head") -> None:
    """Brings the database at this SQLAlchemy URL to a revision; nothing happens when it is there already.

    Raises Unavailable when the database does not answer.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    database = Database(url)
    try:
        with database.session() as session:
            connection = session.connection()
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    finally:
        database.close()


def main() -> None:
    """Migrates the database that the environment names."""
    settings = MigrateSettings()
    logs.configure_logs("registry-migrate", settings.log_level, settings.log_format)
    migrate(settings.database_url.get_secret_value())
    log.info("the database is up to date")


if __name__ == "__main__":
    main()
