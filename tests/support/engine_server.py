"""`python -m tests.support.engine_server PORT`: the engine's handler behind a plain HTTP server.

What TorchServe is for, with its real handler, engine and frames, in one process of a few seconds' start and
0.4 GB: several fit on a small machine. Like one TorchServe with one worker it computes one request at a time.
"""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

from assay_engine.handler import EngineHandler


class EngineServer(ThreadingHTTPServer):
    """Serves one handler."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        self.engine = EngineHandler()
        self.engine.initialize(SimpleNamespace(system_properties={"gpu_id": None}))
        self.worker = threading.Lock()
        super().__init__(("127.0.0.1", port), _Request)


class _Request(BaseHTTPRequestHandler):
    server: EngineServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = [200]
        context = SimpleNamespace(
            set_response_status=lambda code, _phrase, _place: status.__setitem__(0, code)
        )
        with self.server.worker:
            [answer] = self.server.engine.handle([{"body": body}], context)
        self.send_response(status[0])
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    EngineServer(int(sys.argv[1])).serve_forever()
