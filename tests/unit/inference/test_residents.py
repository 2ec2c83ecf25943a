from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from assay_engine.residents import Residents


class Loader:
    def __init__(self) -> None:
        self.loads: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, brand: str, version: str) -> tuple[str, int]:
        self.gate.wait(10)
        self.loads.append(brand)
        if brand == "broken":
            raise RuntimeError("cannot be loaded")
        return f"{brand}/{version}", 10


def test_loads_once_and_keeps() -> None:
    loader = Loader()
    residents: Residents[str] = Residents(100, loader)
    for _ in range(3):
        with residents.borrow(("acme", "v1")) as value:
            assert value == "acme/v1"
    assert loader.loads == ["acme"]
    assert residents.size == 10


def test_many_threads_wait_for_one_load() -> None:
    loader = Loader()
    loader.gate.clear()
    residents: Residents[str] = Residents(100, loader)

    def use() -> str:
        with residents.borrow(("acme", "v1")) as value:
            return value

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(use) for _ in range(8)]
        loader.gate.set()
        assert {future.result(10) for future in futures} == {"acme/v1"}
    assert loader.loads == ["acme"]


def test_the_least_recently_used_goes_first() -> None:
    residents: Residents[str] = Residents(20, Loader())
    for brand in ("a", "b", "a", "c"):
        with residents.borrow((brand, "v1")):
            pass
    assert ("a", "v1") in residents
    assert ("b", "v1") not in residents
    assert residents.size == 20


def test_what_is_in_use_stays_until_it_is_not() -> None:
    residents: Residents[str] = Residents(10, Loader())
    with residents.borrow(("a", "v1")), residents.borrow(("b", "v1")):
        assert ("a", "v1") in residents
        assert ("b", "v1") in residents
        assert residents.size == 20
    assert residents.size == 10


def test_a_failed_load_is_told_to_all_and_tried_again() -> None:
    loader = Loader()
    residents: Residents[str] = Residents(100, loader)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="cannot be loaded"), residents.borrow(("broken", "v1")):
            pass
    assert loader.loads == ["broken", "broken"]
    assert len(residents) == 0
