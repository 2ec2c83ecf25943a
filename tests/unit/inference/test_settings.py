from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from assay_inference.settings import Settings


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ASSAY_REGISTRY_URL", "http://registry")
    monkeypatch.setenv("ASSAY_SERVICE_TOKEN", "t" * 32)
    monkeypatch.setenv("ASSAY_ADMIN_KEY_SHA256", "0" * 64)
    monkeypatch.setenv("ASSAY_ENGINE_URLS", "http://a:8080, http://b:8080/")


@pytest.mark.parametrize(("slots", "expected"), [("3", [3, 3]), ("2, 1", [2, 1])])
def test_workers_are_given_for_all_hosts_or_for_each(
    slots: str, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_ENGINE_SLOTS", slots)
    settings = Settings()
    assert settings.list_engines() == ["http://a:8080", "http://b:8080"]
    assert settings.list_slots() == expected


def test_what_compose_leaves_empty_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_ENGINE_SLOTS", "")
    [first, second] = Settings().list_slots()
    assert first == second >= 1


@pytest.mark.parametrize("slots", ["0", "two", "1,", "1,2,3", "-1"])
def test_numbers_of_workers_that_make_no_sense_are_refused(
    slots: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_ENGINE_SLOTS", slots)
    with pytest.raises(ValidationError, match="engine_slots"):
        Settings()


@pytest.mark.parametrize("urls", ["a:8080", "http://a,http://a/", ","])
def test_addresses_that_make_no_sense_are_refused(urls: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_ENGINE_URLS", urls)
    with pytest.raises(ValidationError, match="address"):
        Settings()
