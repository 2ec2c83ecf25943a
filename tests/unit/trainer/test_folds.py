"""Folds: groups stay together, labels are spread, the order does not matter."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from assay_shared.likeness import name_group
from assay_shared.wire import DatasetItem
from assay_trainer.folds import FEW_GROUPS, FOLDS, deal_folds
from tests.unit.trainer.support import box, item


@st.composite
def collections(draw: st.DrawFn) -> list[DatasetItem]:
    items = []
    for number in range(draw(st.integers(1, 40))):
        labels = draw(st.sets(st.sampled_from(["carton", "logo", "seal"])))
        group = draw(st.one_of(st.none(), st.sampled_from("pqr")))
        made = item(f"{number:064x}", "val", *(box(label, 0, 0, 9, 9) for label in sorted(labels)))
        items.append(made.model_copy(update={"group": group}))
    return items


@given(collections(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_no_group_straddles_and_folds_are_even(items: list[DatasetItem], order: random.Random) -> None:
    folds = deal_folds(items)
    of_group: dict[str, set[int]] = defaultdict(set)
    for one, fold in zip(items, folds, strict=True):
        of_group[name_group(one)].add(fold)
    assert all(len(seen) == 1 for seen in of_group.values())
    sizes = Counter(fold for seen in of_group.values() for fold in seen)
    expected = FOLDS if len(of_group) >= FEW_GROUPS else len(of_group)
    assert set(sizes) == set(range(expected))
    assert max(sizes.values()) - min(sizes.values()) <= 1
    shuffled = list(zip(items, folds, strict=True))
    order.shuffle(shuffled)
    assert deal_folds([one for one, _ in shuffled]) == [fold for _, fold in shuffled]


def test_rare_labels_are_spread_over_the_folds() -> None:
    usual = [item(f"{number:064x}", "val", box("carton", 0, 0, 9, 9)) for number in range(40)]
    rare = [item(f"{100 + number:064x}", "val", box("seal", 0, 0, 9, 9)) for number in range(5)]
    assert set(deal_folds([*usual, *rare])[40:]) == set(range(FOLDS))
