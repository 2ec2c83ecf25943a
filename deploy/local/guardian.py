"""Kills what a supervisor started, once the supervisor is gone, however it went.

Run by the supervisor as `python guardian.py TAG`, with a pipe as standard input. The supervisor writes
`+GROUP` for a process group that it started and `-GROUP` for one that is gone. When the pipe closes (a clean
end, a crash, `kill -9`), the groups left are killed, and every process whose environment carries
`ASSAY_STACK=TAG:…`, so that not even one that left its group stays behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

import psutil

TAG_VARIABLE = "ASSAY_STACK"
SWEEPS = 50
"""Sweeps in a row, 0.1 s apart, before giving up on a process that will not die (uninterruptible sleep)."""


def guard(tag: str) -> None:
    """Waits for the end of standard input, then kills what is left."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        kill_group(group)
    for _ in range(SWEEPS):
        if not kill_tagged(f"{tag}:"):
            return
        time.sleep(0.1)


def kill_group(group: int) -> None:
    """Kills a process group; one that is gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def kill_tagged(start: str) -> int:
    """Kills every process whose tag in the environment starts so; returns how many there were."""
    found = 0
    for process in psutil.process_iter():
        try:
            if process.environ().get(TAG_VARIABLE, "").startswith(start):
                process.kill()
                found += process.status() != psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
    return found


if __name__ == "__main__":
    guard(sys.argv[1])
