from __future__ import annotations

import json
import socket
from pathlib import Path

from deploy.local.ports import Ports, free_port


def test_usual_port_where_it_is_free() -> None:
    usual = free_port()
    assert Ports({"gateway": usual}).get("gateway") == usual


def test_port_in_use_is_avoided(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        usual = other.getsockname()[1]
        ports = Ports({"gateway": usual}, tmp_path / "ports.json")
        chosen = ports.get("gateway")
        assert chosen != usual
        assert ports.get("gateway") == chosen
    assert Ports({"gateway": usual}, tmp_path / "ports.json").get("gateway") == chosen


def test_names_get_ports_of_their_own() -> None:
    usual = free_port()
    ports = Ports({"one": usual, "two": usual})
    assert len({ports.get(name) for name in ("one", "two", "three")}) == 3


def test_chosen_ports_are_remembered(tmp_path: Path) -> None:
    memory = tmp_path / "ports.json"
    chosen = Ports(None, memory).get("s3")
    assert json.loads(memory.read_text()) == {"s3": chosen}
    assert Ports({"s3": free_port()}, memory).get("s3") == chosen
