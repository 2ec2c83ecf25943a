"""TCP ports on 127.0.0.1 that nobody uses: the usual one of a program where it is free, else another."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path

FIRST, LAST = 20000, 32000
"""Where others are looked for: below the ports that systems give to outgoing connections."""


class NoFreePort(Exception):
    """No port was free after many tries."""


class Ports:
    """Ports by name. With a file, what was chosen is remembered and chosen again if it is free."""

    def __init__(self, usual: dict[str, int] | None = None, memory: Path | None = None) -> None:
        self._memory = memory
        self._chosen: dict[str, int] = {}
        self._wanted = dict(usual or {})
        if memory and memory.exists():
            remembered = json.loads(memory.read_text())
            self._wanted.update({name: int(port) for name, port in remembered.items()})

    def get(self, name: str) -> int:
        """The port of a name, the same at every call. Raises NoFreePort."""
        if name not in self._chosen:
            wanted = self._wanted.get(name)
            port = wanted if wanted and self._is_free(wanted) else self._find()
            self._chosen[name] = port
            if self._memory:
                self._memory.write_text(json.dumps(self._chosen, indent=2))
        return self._chosen[name]

    def _is_free(self, port: int) -> bool:
        if port in self._chosen.values():
            return False
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
        return True

    def _find(self) -> int:
        taken = set(self._wanted.values())
        for _ in range(1000):
            port = random.randint(FIRST, LAST)
            if port not in taken and self._is_free(port):
                return port
        raise NoFreePort(f"No port between {FIRST} and {LAST} is free on 127.0.0.1")


def free_port() -> int:
    """Any free port."""
    return Ports().get("any")
