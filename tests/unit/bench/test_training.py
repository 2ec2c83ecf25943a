"""The comparison of trainings, but for the trainings themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assay_shared.wire import LabelRole, TrainingOptions
from assay_trainer.recipe import RECIPE, Recipe
from bench.training import Result, find_par, tabulate
from bench.training_brands import BenchBrand, read_brands
from bench.training_choices import CHOICES, CHOSEN, PEER

WIDTH, HEIGHT = 96, 72


def write_photo(path: Path, seed: int) -> None:
    """Soft shapes with a carton, a logo on it and, in every second, a tell-tale."""
    path.parent.mkdir(parents=True, exist_ok=True)
    few = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(few).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(path)
    names = ["carton", "logo"] + ["stain"] * (seed % 2)
    document = {
        "file": path.name,
        "image_size": [{"width": WIDTH, "height": HEIGHT, "depth": 3}],
        "annotations": [
            {
                "class_id": number,
                "left": 10,
                "top": 10,
                "width": 60 // (number + 1),
                "height": 50 // (number + 1),
            }
            for number, _ in enumerate(names)
        ],
        "categories": [{"class_id": number, "name": name} for number, name in enumerate(names)],
    }
    path.with_suffix(".json").write_text(json.dumps(document))


@pytest.fixture
def brands(tmp_path: Path) -> list[BenchBrand]:
    for name in ("one", "two", "three"):
        for place in range(11):
            write_photo(tmp_path / "out" / name / "train" / f"{place:03d}.jpg", place)
        for place in range(4):
            write_photo(tmp_path / "out" / name / "genuine" / f"{place:03d}.jpg", 100 + place)
    roles = {"carton": "product", "logo": "mark", "stain": "counterfeit"}
    (tmp_path / "out" / "two" / "labels.json").write_text(json.dumps(roles))
    (tmp_path / "out" / "empty").mkdir()
    return list(read_brands(tmp_path / "out", tmp_path / "images", 3))


def test_a_folder_of_brands(brands: list[BenchBrand]) -> None:
    assert [brand.name for brand in brands] == ["one", "three", "two"]
    for brand in brands:
        assert sum(item.split == "val" for item in brand.dataset.items) == 3
        assert len(brand.dataset.items) == 11
        assert len(brand.test) == 4
        assert all(
            (brand.images / f"{item.sha256}.jpg").exists() for item in [*brand.dataset.items, *brand.test]
        )
        assert {box.label for box in brand.test[1].annotations} == {"carton", "logo", "stain"}


def test_roles_are_read_or_else_the_largest_thing_is_the_product(brands: list[BenchBrand]) -> None:
    guessed, _, told = ({label.name: label.role for label in brand.dataset.labels} for brand in brands)
    assert guessed == {"carton": LabelRole.PRODUCT, "logo": LabelRole.MARK, "stain": LabelRole.MARK}
    assert told["stain"] is LabelRole.COUNTERFEIT


def make_result(curve: list[tuple[float, float]], map50: float) -> Result:
    return Result(
        settings={},
        map50=map50,
        map50_95=0.5,
        product_recall=0.9,
        held_out_map50=map50 + 0.1,
        seconds=curve[-1][0],
        curve=curve,
    )


def test_par_is_reached_when_the_curve_is_as_high_as_the_chosen_ones_best() -> None:
    chosen = make_result([(10, 0.5), (20, 0.9), (30, 0.8)], 0.8)
    assert find_par(chosen, chosen) == 20
    assert find_par(make_result([(40, 0.89), (80, 0.95)], 0.8), chosen) == 80
    assert find_par(make_result([(40, 0.89)], 0.8), chosen) is None
    assert find_par(chosen, None) is None


def test_the_table_shows_what_is_measured_so_far(brands: list[BenchBrand], tmp_path: Path) -> None:
    for brand, map50 in zip(brands, (0.7, 0.8, 0.9), strict=True):
        place = tmp_path / "results" / CHOSEN / f"{brand.name}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(make_result([(10, 0.5), (20, 0.9)], map50).model_dump_json())
    place = tmp_path / "results" / "plain-yolo-train" / "one.json"
    place.parent.mkdir()
    place.write_text(make_result([(50, 0.6)], 0.6).model_dump_json())
    rows = tabulate(tmp_path, brands).splitlines()[-2:]
    assert rows[0].startswith(f"| {CHOSEN} | 3 | 0.800 ± 0.082 |")
    assert rows[0].endswith("| 20 ± 0 | 20 ± 0 (3 of 3) |")
    assert rows[1].startswith(f"| {PEER} | 1 | 0.600 ± 0.000 |")
    assert rows[1].endswith("| never |")


def test_every_choice_differs_from_the_trainers_own_and_can_be_made() -> None:
    assert Recipe() == RECIPE
    own = TrainingOptions().model_dump()
    for name, choice in CHOICES.items():
        options, recipe = TrainingOptions(**choice.options), Recipe(**choice.recipe)
        same = options.model_dump() == own and recipe == RECIPE
        # 640 pixels are the trainer's own size today, and one of those that are compared.
        assert same == (name in {CHOSEN, PEER, "640 px"})
        assert recipe.overrides(30)["close_mosaic"] == 10
