"""`make serve`: the embedded stack with data of your own in `.assay/`, until Ctrl-C."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from deploy.local.credentials import write_private
from deploy.local.parts import PartMissing
from deploy.local.ports import NoFreePort
from deploy.local.services import REPOSITORY
from deploy.local.stack import Stack, StackInUse
from deploy.local.supervisor import StartFailed, die_with_parent, ignore_signals, interrupt_on_signals

INTERRUPTED = 130


def main() -> int:
    """Serves until interrupted; the exit status."""
    console = Console()

    def use(stack: Stack) -> int:
        serve_until_interrupted(stack, console)
        return 0

    return run_stack(use, REPOSITORY / ".assay", console)


def run_stack(use: Callable[[Stack], int], data_dir: Path, console: Console, *, fresh: bool = False) -> int:
    """Starts the stack, uses it, and stops it whatever happens; the exit status.

    Writes `access.json` for clients while the stack runs.
    """
    interrupt_on_signals()
    die_with_parent()
    stack: Stack | None = None
    try:
        stack = Stack(data_dir, fresh=fresh)
        (data_dir / "access.json").unlink(missing_ok=True)
        with console.status("Starting"):
            stack.start(lambda name: console.print(f"  {name} is ready", style="dim"))
        write_private(data_dir / "access.json", stack.access())
        return use(stack)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (StackInUse, PartMissing, NoFreePort, StartFailed) as failure:
        console.print(f"[red]{type(failure).__name__}[/]: {failure}", highlight=False)
        return 1
    finally:
        ignore_signals()
        if stack is not None:
            console.print("Stopping")
            (data_dir / "access.json").unlink(missing_ok=True)
            stack.stop()


def serve_until_interrupted(stack: Stack, console: Console) -> None:
    """Says where the pages are, and waits for Ctrl-C."""
    console.print(f"\nPages      {stack.api}", highlight=False)
    console.print(f"Admin key  {stack.admin_key}", highlight=False, markup=False)
    console.print(f"Clients    {stack.data_dir / 'access.json'}\nCtrl-C stops it", highlight=False)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    sys.exit(main())
