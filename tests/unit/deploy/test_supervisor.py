from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.supervisor import Program, StartFailed, Supervisor
from tests.support.waiting import wait_until

REPOSITORY = Path(__file__).parents[3]
SLEEP = "import time; print('up', flush=True); time.sleep(600)"


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    running = Supervisor(tmp_path / "logs")
    yield running
    running.stop()


def program(
    name: str,
    code: str,
    folder: Path,
    after: tuple[str, ...] = (),
    ready_seconds: float = 60,
    stop_seconds: float = 10,
) -> Program:
    """A Python program that is ready when it has printed `up`."""
    command = [sys.executable, "-S", "-c", textwrap.dedent(code)]
    return Program(name, command, {}, folder, lambda log: "up" in log, after, ready_seconds, stop_seconds)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_starts_in_order(supervisor: Supervisor, tmp_path: Path) -> None:
    needs_first = """
        import pathlib, time
        assert pathlib.Path("first").exists()
        print("up", flush=True)
        time.sleep(600)
    """
    makes_first = """
        import pathlib, time
        time.sleep(0.3)
        pathlib.Path("first").touch()
        print("up", flush=True)
        time.sleep(600)
    """
    told: list[str] = []
    supervisor.start(
        [program("second", needs_first, tmp_path, ("first",)), program("first", makes_first, tmp_path)],
        told.append,
    )
    assert told == ["first", "second"]


def test_crashed_program_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start([program("one", SLEEP, tmp_path)])
    killed = supervisor.kill("one")
    wait_until(lambda: supervisor.pids()["one"] != killed, 10, "it is started again")
    assert is_alive(supervisor.pids()["one"])


def test_failure_at_start_shows_the_log(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="no engine on board"):
        supervisor.start([program("broken", "raise SystemExit('no engine on board')", tmp_path)])


def test_program_that_is_never_ready_fails(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="not ready in 0 s"):
        supervisor.start([program("mute", "import time; time.sleep(600)", tmp_path, ready_seconds=0.3)])


def test_run_waits_and_fails_with_the_log(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.run(program("fine", "print('done')", tmp_path))
    with pytest.raises(StartFailed, match="division by zero"):
        supervisor.run(program("faulty", "1 / 0", tmp_path))


STUBBORN_FAMILY = """
    import os, signal, subprocess, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    here = subprocess.Popen([sys.executable, "-S", "-c", child])
    away = subprocess.Popen([sys.executable, "-S", "-c", child], start_new_session=True)
    open("family", "w").write(f"{os.getpid()} {here.pid} {away.pid}")
    print("up", flush=True)
    time.sleep(600)
"""


def test_stop_leaves_nobody(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "logs")
    supervisor.start([program("family", STUBBORN_FAMILY, tmp_path, stop_seconds=0.3)])
    family = [int(pid) for pid in (tmp_path / "family").read_text().split()]
    assert all(is_alive(pid) for pid in family)
    supervisor.stop()
    assert not any(is_alive(pid) for pid in family)


def test_killed_supervisor_leaves_nobody(tmp_path: Path) -> None:
    (tmp_path / "family.py").write_text(textwrap.dedent(STUBBORN_FAMILY))
    code = f"""
        import sys, time
        from pathlib import Path
        from deploy.local.supervisor import Program, Supervisor
        here = Path({str(tmp_path)!r})
        command = [sys.executable, "-S", "family.py"]
        Supervisor(here / "logs").start([Program("family", command, {{}}, here, lambda log: "up" in log)])
        print("up", flush=True)
        time.sleep(600)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=REPOSITORY, stdout=subprocess.PIPE
    ) as supervising:
        assert supervising.stdout is not None
        assert supervising.stdout.readline() == b"up\n"
        family = [int(pid) for pid in (tmp_path / "family").read_text().split()]
        assert all(is_alive(pid) for pid in family)
        supervising.kill()
    wait_until(lambda: not any(is_alive(pid) for pid in family), 20, "all are gone")


def test_stopped_process_does_not_hold_the_end_up(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "logs")
    supervisor.start([program("asleep", SLEEP, tmp_path)])
    pid = supervisor.pids()["asleep"]
    os.kill(pid, signal.SIGSTOP)
    supervisor.stop()
    assert not is_alive(pid)


def test_down_stays_down_until_up(supervisor: Supervisor, tmp_path: Path) -> None:
    one, two = program("one", SLEEP, tmp_path), program("two", SLEEP, tmp_path)
    supervisor.start([one, two])
    supervisor.down("one")
    killed = supervisor.kill("two")
    wait_until(lambda: supervisor.pids()["two"] != killed, 10, "the other is started again")
    assert "one" not in supervisor.pids()
    supervisor.up(one)
    assert is_alive(supervisor.pids()["one"])


def test_program_dies_with_its_parent(tmp_path: Path) -> None:
    code = """
        import time
        from deploy.local.supervisor import die_with_parent, interrupt_on_signals
        interrupt_on_signals()
        try:
            die_with_parent()
            print("up", flush=True)
            time.sleep(600)
        except KeyboardInterrupt:
            open({path!r}, "w").write("orderly")
    """
    (tmp_path / "child.py").write_text(textwrap.dedent(code).format(path=str(tmp_path / "end")))
    parent = f"""
        import subprocess, sys
        subprocess.Popen([sys.executable, {str(tmp_path / "child.py")!r}]).wait()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(parent)],
        cwd=REPOSITORY,
        env={"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
    ) as middle:
        assert middle.stdout is not None
        assert middle.stdout.readline() == b"up\n"
        middle.kill()
    wait_until(lambda: (tmp_path / "end").exists(), 10, "the child ended in order")
