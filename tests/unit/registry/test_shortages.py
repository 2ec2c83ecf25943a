"""What photos lack, as far as boxes tell."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest

from assay_registry.shortages import RECOMMENDED, find_missing, find_unjudgeable, find_warnings
from assay_shared.wire import Annotation, DatasetItem, LabelRole

ROLES = {"carton": LabelRole.PRODUCT, "logo": LabelRole.MARK}


def photo(
    number: int,
    split: Literal["train", "val"] = "train",
    *,
    scale: float = 1.0,
    ratio: float = 1.0,
    group: str | None = None,
    logo: bool = True,
) -> DatasetItem:
    """A carton of 30 % of the picture's side times `scale`, `ratio` times as wide as high, with a logo."""
    width, height = 300 * scale * math.sqrt(ratio), 300 * scale / math.sqrt(ratio)
    boxes = [Annotation(label="carton", left=100, top=100, width=width, height=height)]
    if logo:
        boxes.append(Annotation(label="logo", left=120, top=120, width=40, height=40))
    return DatasetItem(
        sha256=f"{number:064x}",
        extension="jpg",
        width=1000,
        height=1000,
        split=split,
        group=group,
        annotations=boxes,
    )


def vary(count: int, held_out: int = 6, *, distance: bool = True, angle: bool = True) -> list[DatasetItem]:
    """Photos taken by hand: distance and tilt scatter, unless one stays as it is."""
    rng = np.random.default_rng(7)
    return [
        photo(
            number,
            "val" if number < held_out else "train",
            scale=math.exp(rng.normal(0, 0.2)) if distance else 1.0,
            ratio=math.exp(rng.normal(0, 0.1)) if angle else 1.0,
        )
        for number in range(count)
    ]


def test_varied_photos_in_plenty_lack_nothing() -> None:
    assert find_warnings(vary(40), ROLES) == []


@pytest.mark.parametrize("kind", ["distance", "angle"])
def test_photos_that_are_all_taken_alike_are_told_with_how_many_more(kind: str) -> None:
    (warning,) = find_warnings(vary(40, distance=kind != "distance", angle=kind != "angle"), ROLES)
    assert (warning.label, warning.kind, warning.images, warning.needed) == ("carton", kind, 0, 14)
    assert "'carton': only 0 of 40" in warning.advice


def test_few_photos_of_a_product_are_told() -> None:
    (warning,) = find_warnings(vary(20), ROLES)
    assert (warning.label, warning.kind, warning.images) == ("carton", "images", 20)
    assert warning.needed == RECOMMENDED
    assert "add 10" in warning.advice


def test_near_duplicates_count_once() -> None:
    burst = [photo(number, group="b" * 64) for number in range(50, 90)]
    (warning,) = find_warnings([*vary(20), *burst], ROLES)
    assert (warning.kind, warning.images) == ("images", 21)


def test_a_label_that_no_held_out_photo_shows_is_told() -> None:
    items = [item for item in vary(40) if item.split == "train"]
    items += [photo(number, "val", logo=False, scale=1 + number / 300) for number in range(40, 46)]
    (warning,) = find_warnings(items, ROLES)
    assert (warning.label, warning.kind, warning.images) == ("logo", "held_out", 0)


def test_missing_names_label_number_and_what_to_photograph() -> None:
    groups = {"carton": {"a", "b", "c"}, "logo": {"a"}}
    (missing,) = find_missing(groups, ROLES, 3)
    assert (missing.label, missing.images, missing.needed) == ("logo", 1, 3)
    assert "'logo' has 1 of 3: add 2 different photos that show the product with this mark" in missing.advice


@pytest.mark.parametrize(("held_out", "lowest", "enough"), [(4, 0.5, True), (3, 0.5, False), (1, -0.3, True)])
def test_as_many_must_be_held_out_as_can_pass_the_gate(held_out: int, lowest: float, enough: bool) -> None:
    items = vary(30, held_out)
    assert (find_unjudgeable(items, lowest) == []) == enough
    copies = [item.model_copy(update={"group": "c" * 64}) for item in items[:held_out]]
    told = find_unjudgeable([*copies, *items[held_out:]], lowest)
    assert (told == []) == (lowest < 0)
    for shortage in told:
        assert (shortage.label, shortage.kind, shortage.images, shortage.needed) == (None, "held_out", 1, 4)
        assert "1 different photos are held out" in shortage.advice
