"""What is in a packed checkpoint; apart from `checkpoints.py`, for readers without torch."""

from __future__ import annotations

from pydantic import TypeAdapter

from assay_shared.wire import Progress

HISTORY_FILE = "history.json"
CHECKPOINT_FILES = ("last.pt", HISTORY_FILE)
HISTORY = TypeAdapter(list[Progress])
