"""The split of a dataset: what must hold for any pictures, and how well it spreads for usual ones."""

from __future__ import annotations

import hashlib
import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from assay_registry.splits import FEW, MIN_VAL, Candidate, Split, split_groups
from assay_shared.likeness import find_roots

LABELS = st.frozensets(st.sampled_from(["box", "logo", "seal", "dots", "rare"]), max_size=5)
SPLITS: st.SearchStrategy[Split | None] = st.sampled_from([None, None, None, "train", "val"])


def name(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


@st.composite
def collections(draw: st.DrawFn, *, grouped: bool = True, chosen: bool = True) -> list[Candidate]:
    size = draw(st.integers(0, 40))
    return [
        Candidate(
            name(number),
            draw(LABELS),
            name(draw(st.integers(0, size - 1))) if grouped and draw(st.booleans()) else None,
            draw(SPLITS) if chosen else None,
        )
        for number in range(size)
    ]


@given(collections())
@settings(max_examples=60, deadline=None)
def test_every_picture_has_a_split_and_no_group_straddles(pictures: list[Candidate]) -> None:
    splits = split_groups(pictures)
    assert set(splits) == {picture.sha256 for picture in pictures}
    for picture in pictures:
        if picture.near_duplicate_of is not None:
            assert splits[picture.sha256] == splits[picture.near_duplicate_of]


@given(collections(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_pictures_does_not_matter(pictures: list[Candidate], order: random.Random) -> None:
    shuffled = pictures[:]
    order.shuffle(shuffled)
    assert split_groups(shuffled) == split_groups(pictures)


@given(collections())
@settings(max_examples=40, deadline=None)
def test_the_brands_own_choice_holds_for_its_whole_group(pictures: list[Candidate]) -> None:
    splits = split_groups(pictures)
    roots = find_roots({picture.sha256: picture.near_duplicate_of for picture in pictures})
    for group in set(roots.values()):
        chosen = {picture.split for picture in pictures if roots[picture.sha256] == group} - {None}
        if chosen:
            assert splits[group] == ("val" if "val" in chosen else "train")


@given(collections(grouped=False, chosen=False))
@settings(max_examples=60, deadline=None)
def test_each_label_with_enough_pictures_is_judged_and_learnt(pictures: list[Candidate]) -> None:
    splits = split_groups(pictures)
    totals = Counter(label for picture in pictures for label in picture.labels)
    judging = Counter(
        label for picture in pictures if splits[picture.sha256] == "val" for label in picture.labels
    )
    for label, total in totals.items():
        if total >= FEW:
            assert judging[label] >= MIN_VAL


def test_a_usual_brand_is_split_about_one_to_four() -> None:
    pictures = [
        Candidate(name(number), frozenset({"carton", "logo"} if number % 2 else {"bottle", "seal"}))
        for number in range(200)
    ]
    judging = [sha256 for sha256, split in split_groups(pictures).items() if split == "val"]
    assert 36 <= len(judging) <= 44
    labels = {picture.sha256: picture.labels for picture in pictures}
    cartons = sum("carton" in labels[sha256] for sha256 in judging)
    assert abs(cartons - len(judging) / 2) <= 3


def test_a_great_group_of_near_duplicates_is_learnt_from_when_others_can_judge() -> None:
    burst = [Candidate(name(number), frozenset({"carton"}), name(0)) for number in range(60)]
    single = [Candidate(name(100 + number), frozenset({"carton"})) for number in range(80)]
    splits = split_groups(burst + single)
    assert {splits[picture.sha256] for picture in burst} == {"train"}
    assert Counter(splits.values())["val"] == 28


def test_labels_with_few_pictures_are_left_to_learn_from() -> None:
    usual = [Candidate(name(number), frozenset({"carton"})) for number in range(40)]
    rare = [Candidate(name(100 + number), frozenset({"carton", "stain"})) for number in range(3)]
    splits = split_groups(usual + rare)
    assert {splits[picture.sha256] for picture in rare} == {"train"}
    assert Counter(splits.values())["val"] >= 7


def test_few_pictures_still_leave_one_to_judge_by() -> None:
    pictures = [Candidate(name(number), frozenset({"carton"})) for number in range(4)]
    assert Counter(split_groups(pictures).values()) == {"train": 3, "val": 1}
    twins = [Candidate(name(number), frozenset({"carton"}), name(0)) for number in range(9)]
    assert set(split_groups(twins).values()) == {"train"}


def test_a_small_collection_holds_out_enough_to_pass_the_gate_and_keeps_enough_to_learn_from() -> None:
    for count, judging in ((6, 1), (8, 2), (10, 4), (12, 4), (20, 4), (30, 6)):
        pictures = [Candidate(name(number), frozenset({"carton", "logo"})) for number in range(count)]
        assert Counter(split_groups(pictures).values())["val"] == judging
