"""Runs the programs of a stack: in order, watched, restarted when they crash, and none left behind.

Each program leads a session and process group of its own, logs to `logs/NAME.log`, and is ready when its
probe says so. A guardian process (guardian.py) kills what is left however this process ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.guardian import TAG_VARIABLE, kill_group, kill_tagged

POLL_SECONDS = 0.1
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
STEADY_SECONDS = 30.0
"""A program that ran this long has its restart pause forgotten."""
LOG_BYTES = 20 << 20
"""A log longer than this is set aside as NAME.log.1 at the next start of its program."""


@dataclass(frozen=True)
class Program:
    """What to run, in which folder. `ready` gets the text logged since the start; `after`
    names what must be ready before; `user` is for root alone: who runs it."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    ready: Callable[[str], bool] = lambda _log: True
    after: Sequence[str] = ()
    ready_seconds: float = 90.0
    stop_seconds: float = 10.0
    user: str | None = None


class StartFailed(Exception):
    """A program did not become ready; the message ends with the end of its log."""


@dataclass
class _Running:
    program: Program
    process: subprocess.Popen[bytes]
    log_start: int
    started: float = field(default_factory=time.monotonic)
    pause: float = FIRST_PAUSE_SECONDS
    restart_at: float | None = None


class Supervisor:
    """Starts and keeps programs; `stop()` ends them all. Safe to use from several threads."""

    def __init__(self, log_dir: Path) -> None:
        self.log_dir = log_dir
        log_dir.mkdir(parents=True, exist_ok=True)
        self._tag = secrets.token_hex(8)
        self._running: dict[str, _Running] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._guardian = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("guardian.py")), self._tag],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()

    def start(
        self, programs: Sequence[Program], on_ready: Callable[[str], None] = lambda _name: None
    ) -> None:
        """Starts each program once all that it comes after are ready; returns when all are.

        `on_ready` is told each name. Raises StartFailed; what was started runs on until `stop()`.
        """
        waiting, starting = list(programs), list[Program]()
        while waiting or starting:
            unready = {program.name for program in (*waiting, *starting)}
            for program in [p for p in waiting if not unready.intersection(p.after)]:
                waiting.remove(program)
                starting.append(program)
                with self._lock:
                    self._running[program.name] = self._launch(program)
            for program in list(starting):
                if self._is_ready(program):
                    starting.remove(program)
                    on_ready(program.name)
            time.sleep(POLL_SECONDS / 2)

    def run(self, program: Program) -> None:
        """Runs a program to its end. Raises StartFailed if it fails or takes longer than `ready_seconds`."""
        running = self._launch(program)
        try:
            code = running.process.wait(program.ready_seconds)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        finally:
            self._bury(running)
        if code:
            raise StartFailed(f"{program.name} failed ({code}):\n{self._tail(program.name)}")

    def stop(self) -> None:
        """Stops every program, the ones that others come after last, and kills what does not end in time."""
        self._stopping.set()
        if self._watcher.is_alive():
            self._watcher.join()
        while self._running:
            needed = {name for running in self._running.values() for name in running.program.after}
            last = [running for name, running in self._running.items() if name not in needed]
            self._end(last or list(self._running.values()))
        assert self._guardian.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._guardian.stdin.close()
        self._guardian.wait(30)

    def down(self, name: str) -> None:
        """Stops one program and leaves it stopped until `up`."""
        with self._lock:
            self._end([self._running[name]])

    def up(self, program: Program) -> None:
        """Starts one program again and waits until it is ready. Raises StartFailed."""
        self.start([program])

    def kill(self, name: str, signal_number: int = signal.SIGKILL) -> int:
        """Sends a signal to the first process of a program, restarted if it dies; returns its pid."""
        pid = self.pids()[name]
        os.kill(pid, signal_number)
        return pid

    def pids(self) -> dict[str, int]:
        """The process id of each program's first process."""
        with self._lock:
            return {name: running.process.pid for name, running in self._running.items()}

    def log(self, name: str) -> Path:
        """Where a program logs."""
        return self.log_dir / f"{name}.log"

    def _launch(self, program: Program) -> _Running:
        log = self.log(program.name)
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            process = subprocess.Popen(
                list(program.command),
                cwd=program.folder,
                env={**program.environment, TAG_VARIABLE: self._tag_of(program)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=program.user,
                extra_groups=[] if program.user else None,
            )
            self._tell_guardian(f"+{process.pid}\n")
            return _Running(program, process, output.tell())

    def _is_ready(self, program: Program) -> bool:
        with self._lock:
            running = self._running[program.name]
        if running.process.poll() is not None:
            raise StartFailed(f"{program.name} ended at its start:\n{self._tail(program.name)}")
        if time.monotonic() - running.started > program.ready_seconds:
            raise StartFailed(
                f"{program.name} was not ready in {program.ready_seconds:.0f} s:\n{self._tail(program.name)}"
            )
        with self.log(program.name).open("rb") as log:
            log.seek(running.log_start)
            text = log.read().decode(errors="replace")
        return program.ready(text)

    def _tail(self, name: str) -> str:
        lines = self.log(name).read_text(errors="replace").splitlines()[-25:]
        return "\n".join([*lines, f"(the whole log: {self.log(name)})"])

    def _watch(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            with self._lock:
                for name, running in list(self._running.items()):
                    if running.process.poll() is not None:
                        self._running[name] = self._revive(running)

    def _revive(self, dead: _Running) -> _Running:
        now = time.monotonic()
        if dead.restart_at is None:
            self._bury(dead)
            if now - dead.started > STEADY_SECONDS:
                dead.pause = FIRST_PAUSE_SECONDS
            dead.restart_at = now + dead.pause
        if now < dead.restart_at:
            return dead
        revived = self._launch(dead.program)
        revived.pause = min(2 * dead.pause, LONGEST_PAUSE_SECONDS)
        return revived

    def _end(self, dying: Sequence[_Running]) -> None:
        for running in dying:
            for signal_number in (signal.SIGTERM, signal.SIGCONT):
                with contextlib.suppress(ProcessLookupError):
                    running.process.send_signal(signal_number)
        asked = time.monotonic()
        for running in dying:
            left = asked + running.program.stop_seconds - time.monotonic()
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.process.wait(max(left, 0.01))
            self._bury(running)
            self._running.pop(running.program.name, None)

    def _bury(self, running: _Running) -> None:
        kill_group(running.process.pid)
        kill_tagged(self._tag_of(running.program))
        running.process.wait()
        self._tell_guardian(f"-{running.process.pid}\n")

    def _tag_of(self, program: Program) -> str:
        return f"{self._tag}:{program.name}:"

    def _tell_guardian(self, line: str) -> None:
        assert self._guardian.stdin is not None
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._guardian.stdin.write(line.encode())
            self._guardian.stdin.flush()


def die_with_parent() -> None:
    """Has this process get SIGTERM when its parent ends, as `make` does by kill -9 (on Linux).

    To be called early, by the main thread.
    """
    if sys.platform == "linux":
        parent = os.getppid()
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)


def interrupt_on_signals() -> None:
    """Has SIGTERM and SIGHUP end this process as Ctrl-C does: by KeyboardInterrupt in the main thread.

    The first signal alone does so: no second one disturbs the orderly end.
    """

    def interrupt(_number: int, _frame: object) -> None:
        ignore_signals()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def ignore_signals() -> None:
    """Has no further Ctrl-C disturb an orderly end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
