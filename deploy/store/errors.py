"""What can be wrong with a backup's archive."""

from __future__ import annotations

from typing import ClassVar

from assay_shared.errors import AssayError


class ArchiveDamaged(AssayError):
    """The archive is cut short, changed, or no backup of Assay; the detail names the member."""

    type: ClassVar[str] = "archive-damaged"
    title: ClassVar[str] = "The backup is damaged"
    status: ClassVar[int] = 422
