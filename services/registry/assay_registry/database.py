"""The database: one engine a process, sessions, and what SQLite needs to behave like PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from assay_shared import logs
from assay_shared.errors import InvalidRequest, Unavailable

log = logs.get_logger(__name__)


class Database:
    """Sessions on one database. `session()` is a transaction: it commits at the end or rolls back.

    Raises Unavailable when the database does not answer, InvalidRequest for text that it cannot keep.
    """

    def __init__(self, url: str) -> None:
        self.engine = _make_engine(url)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction."""
        try:
            with self._sessions() as session, session.begin():
                yield session
        except OperationalError as error:
            log.warning("the database does not answer", error=str(error.orig))
            raise Unavailable("The database does not answer; try again") from error
        except DataError as error:
            # PostgreSQL takes no NUL in texts, wherever in a request it came from.
            raise InvalidRequest("The request holds text that cannot be kept, or that is too long") from error

    def check(self) -> None:
        """Raises Unavailable unless the database answers."""
        with self.session() as session:
            session.connection().exec_driver_sql("SELECT 1")

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()


def _make_engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)
    engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # BEGIN is ours (below): the driver would start transactions late, and two writers could deadlock.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
