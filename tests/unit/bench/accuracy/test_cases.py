"""Photos as the checks rule on them, and the tables of that."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay_shared.wire import Verdict
from bench.accuracy.cases import rule_on_brand
from bench.accuracy.curves import print_costs, print_heights, print_shares, print_sizes, print_undecided
from bench.accuracy.judging import Results
from bench.accuracy.kept import hash_sources, keep
from bench.accuracy.photos import KINDS
from bench.accuracy.summary import print_summary
from bench.accuracy.tables import (
    Brand,
    is_adequate,
    measure_accuracy,
    measure_brands,
    measure_original,
    print_areas,
    print_verdicts,
    read_p,
)


@pytest.fixture
def brand(folder: Path, results: Results) -> Brand:
    return Brand(folder.name, results, rule_on_brand(folder, results, 0.02))


def test_checks_and_verdict_rule(brand: Brand) -> None:
    by_name = {(case.kind, place % 2): case for place, case in enumerate(brand.cases)}
    assert by_name["genuine", 0].verdict is Verdict.GENUINE
    assert by_name["genuine", 0].adequate
    assert by_name["altered-text", 1].verdict is Verdict.COUNTERFEIT
    assert by_name["altered-text", 1].compared
    assert by_name["distractors", 0].verdict is Verdict.INCONCLUSIVE
    assert not by_name["distractors", 0].compared
    lacks_logo = by_name["hue-shift", 0]
    assert lacks_logo.verdict is Verdict.COUNTERFEIT
    assert (lacks_logo.original, lacks_logo.confidence) == (False, 0.0)
    assert (by_name["genuine", 1].original, by_name["genuine", 1].confidence) == (True, 0.8)


def test_the_share_that_is_asked_for_decides(folder: Path, results: Results) -> None:
    strict = rule_on_brand(folder, results, 0.0005)
    assert sum(case.verdict is Verdict.COUNTERFEIT for case in strict) == 1


def test_figures_of_a_brand(brand: Brand) -> None:
    accuracy, original = measure_accuracy([brand]), measure_original([brand])
    area = measure_brands([brand], read_p, is_adequate, ["proportions"])
    assert accuracy is not None
    assert original is not None
    assert area is not None
    # Right: 2 genuine, 6 fakes that depart and the one without its logo, of 14.
    assert accuracy.value == pytest.approx(9 / 14)
    assert original.value == pytest.approx(3 / 14)
    assert area.value == 0.75


def test_tables(brand: Brand, capsys: pytest.CaptureFixture[str]) -> None:
    print_summary([brand], [brand], [brand], 30)
    print_areas([brand])
    print_verdicts([brand])
    print_shares([brand])
    print_undecided([brand])
    print_sizes([brand])
    print_heights([brand])
    print_costs([brand])
    text = capsys.readouterr().out
    assert "| AUROC, altered-text | >= 0.95 | 0.75 (" in text
    assert "| AUROC with 30 photos (1 brands) | at most 3 points less |" in text
    assert "0.0 points less | yes |" in text
    assert "| jar-1 | detector | 64.3 % (" in text
    assert "| 1-400 | 2 | 12 | 100.0 % (" in text
    assert "| 16-24 | 2 | 0.75 (" in text  # both lines are 20 pixels high, and turned
    assert "| jar-1 | 62/62 | 50 | 100 | 1000 |" in text
    for line in text.splitlines():
        assert not line.startswith("| doubted_share") or line.count("|") == len(KINDS) + 4


def test_results_are_read_as_they_were_kept(results: Results, tmp_path: Path) -> None:
    keep(tmp_path / "there" / "one.json", results.model_dump_json().encode())
    again = Results.model_validate_json((tmp_path / "there" / "one.json").read_bytes())
    # A nan differs from itself.
    assert again.model_dump_json() == results.model_dump_json()
    assert not list(tmp_path.rglob("*.partial"))


def test_other_sources_have_another_key(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("a = 1")
    before = hash_sources(tmp_path)
    assert hash_sources(tmp_path / "one.py") == before
    (tmp_path / "notes.txt").write_text("no code")
    assert hash_sources(tmp_path) == before
    (tmp_path / "one.py").write_text("a = 2")
    assert hash_sources(tmp_path) != before
