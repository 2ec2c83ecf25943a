"""A broker that tests may kill, real workers of both kinds on it, and whom these workers ask."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from assay_shared.events import ObjectCreated
from assay_shared.keys import UPLOADS
from assay_shared.queue import INGEST_OBJECT, TRAIN_RUN, TaskQueue
from deploy.local.supervisor import Program, Supervisor
from tests.support.waiting import wait_until


@dataclass
class Broker:
    """A broker of its own, which keeps its data when it is killed."""

    supervisor: Supervisor
    program: Program
    url: str

    def kill(self) -> None:
        """Ends it as kill -9 does, and keeps it from being started again."""
        self.supervisor.kill(self.program.name)
        self.supervisor.down(self.program.name)

    def start(self) -> None:
        """Starts it again, on the same port and data."""
        self.supervisor.up(self.program)

    def freeze(self) -> None:
        """Has it take connections and answer nothing."""
        self.supervisor.kill(self.program.name, signal.SIGSTOP)

    def thaw(self) -> None:
        """Has it go on."""
        self.supervisor.kill(self.program.name, signal.SIGCONT)


class Elsewhere:
    """Stands where the object store and the registry would be: notes what workers ask for, and says that it
    is not there; while it is held, it says nothing at all."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[str] = []
        self._free = threading.Event()
        self._free.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                outer.asked.append(self.path)
                outer._free.wait()
                body = b'{"type": "urn:assay:problem:not-found", "detail": "not here"}'
                self.send_response(404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_POST = do_HEAD

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def hold(self) -> None:
        """Keeps everybody waiting who asks from now on."""
        self._free.clear()

    def release(self) -> None:
        """Answers everybody again."""
        self._free.set()

    def close(self) -> None:
        """Stops listening."""
        self.release()
        self._server.shutdown()
        self._server.server_close()

    def was_asked(self, name: str) -> bool:
        """Whether anybody asked for something of this name."""
        return any(name in path for path in self.asked)


@dataclass
class Worker:
    """A running worker of one kind: prefork (`ingest`) or threads (`train`)."""

    kind: str
    supervisor: Supervisor
    program: Program
    alive_file: Path
    elsewhere: Elsewhere
    sent: int = field(default=0)

    def send(self, queue: TaskQueue) -> str:
        """Sends a task of this kind; gives the name by which it is known when it is worked on."""
        self.sent += 1
        name = f"{self.kind}-{self.sent}-{time.monotonic_ns()}"
        if self.kind == "ingest":
            event = ObjectCreated(bucket=UPLOADS, key=f"brand/upload/{name}.jpg", etag="e", size=1)
            queue.send(INGEST_OBJECT, event.model_dump(mode="json"))
        else:
            queue.send(TRAIN_RUN, name)
        return name

    def wait_for(self, *names: str, timeout: float = 60.0) -> None:
        """Waits until tasks are worked on."""
        for name in names:
            wait_until(partial(self.elsewhere.was_asked, name), timeout, f"{name} is worked on")

    def touched(self) -> float:
        """When it last said that it works: seconds since 1970, 0 for never."""
        try:
            return self.alive_file.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def wait_until_fresh(self, timeout: float = 60.0) -> None:
        """Waits until it says once more that it works."""
        before = self.touched()
        wait_until(lambda: self.touched() > before, timeout, f"the {self.kind} worker shows life again")

    def wait_until_stale(self, seconds: float) -> None:
        """Waits until it has been silent for so long."""
        wait_until(
            lambda: self.touched() < time.time() - seconds,
            seconds + 60,
            f"the {self.kind} worker shows no life any more",
        )
