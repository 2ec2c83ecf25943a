"""Identifiers and times: sortable by creation, RFC 3339 in UTC on the wire."""

from __future__ import annotations

from datetime import UTC, datetime

import uuid_utils


def new_id(prefix: str) -> str:
    """A new identifier such as `run_0198c0de…`: a UUIDv7 (RFC 9562) in hex, so ids sort by time."""
    return f"{prefix}_{uuid_utils.uuid7().hex}"


def utc_now() -> datetime:
    """The time now, aware, in UTC."""
    return datetime.now(UTC)
