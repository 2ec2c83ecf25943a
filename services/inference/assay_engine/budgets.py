"""How many bytes each tier may hold: what the settings say, else a share of what is free at the start."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from assay_engine.settings import EngineSettings

RESIDENT_SHARE, HOST_SHARE = 0.5, 0.25
"""Of the free memory, divided by the workers. The rest is for computing, for other parts of the box, and for
the system's cache of the disk tier's files."""
DEVICE_SHARE = 0.6
"""Of a device's free memory: the rest is for computing."""
DISK_SHARE = 0.5
"""Of the free disk, what the cache holds already included."""
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Budgets:
    """Bytes of each tier of one worker. The disk is shared by the workers, and so is its limit."""

    resident_bytes: int
    host_bytes: int
    disk_bytes: int


def find_budgets(settings: EngineSettings, folder: Path, free_device_bytes: int | None) -> Budgets:
    """The budgets of a worker whose models lie in `folder`; `free_device_bytes` is None without a device."""
    own = find_free_memory() // (settings.engine_workers or 1)
    resident = int(own * RESIDENT_SHARE if free_device_bytes is None else free_device_bytes * DEVICE_SHARE)
    return Budgets(
        settings.engine_memory_bytes or resident,
        settings.engine_host_bytes or int(own * HOST_SHARE),
        settings.engine_disk_bytes or int(find_free_disk(folder) * DISK_SHARE),
    )


def find_free_memory() -> int:
    """Bytes that this process may still take: of the machine, or of its control group if that has less."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = (CGROUP / "memory.max").read_text().strip()
        if limit != "max":
            statistics = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
            # Files that the kernel keeps in memory count as used, and go when memory is wanted.
            used = int((CGROUP / "memory.current").read_text()) - int(statistics["inactive_file"])
            free = min(free, max(0, int(limit) - used))
    except (OSError, KeyError, ValueError):
        pass  # no control groups of version 2: the machine's memory is all there is to know
    return free


def find_free_disk(folder: Path) -> int:
    """Bytes of the disk that the folder may take: what is free, and what the folder holds."""
    folder.mkdir(parents=True, exist_ok=True)
    held = sum(path.stat().st_size for path in folder.glob("*/*/*") if path.is_file())
    return shutil.disk_usage(folder).free + held
