"""The comparison of trainings, but for the trainings themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assay_shared.wire import LabelRole, TrainingOptions
from assay_trainer.recipe import RECIPE, Recipe
from bench.training_brands import BenchBrand, read_brands
from bench.training_choices import BASE, CHOICES, PEER, describe_settings
from bench.training_results import Figures, Point, Result, find_goal, find_par, tabulate

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
    return read_brands(tmp_path / "out", tmp_path / "images", [], train=62, longest=1280)


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


def test_brands_are_named_cut_short_and_reduced(brands: list[BenchBrand], tmp_path: Path) -> None:
    (small,) = read_brands(tmp_path / "out", tmp_path / "images", ["three"], train=6, longest=48)
    assert small.name == "three"
    assert len(small.dataset.items) == 6
    for item in [*small.dataset.items, *small.test]:
        assert (item.width, item.height) == (48, 36)
        with Image.open(small.images / f"{item.sha256}.jpg") as picture:
            assert picture.size == (48, 36)
    whole = {(box.label, box.width, box.height) for box in brands[1].test[0].annotations}
    halves = {(box.label, 2 * box.width, 2 * box.height) for box in small.test[0].annotations}
    assert halves == whole


def make_result(
    curve: list[tuple[float, float]], map50_95: float, best: float | None = None, choice: str = BASE
) -> Result:
    """Of a training with these seconds and mAP50 after each epoch; twice the seconds were computed."""
    last, chosen = (
        Figures(
            map50=0.9,
            map50_95=value,
            image_accuracy=0.8,
            product_recall=0.9,
            held_out_map50=0.95,
            held_out_map50_95=0.7,
        )
        for value in (map50_95, map50_95 if best is None else best)
    )
    points = [Point(seconds=seconds, cpu_seconds=2 * seconds, map50=map50) for seconds, map50 in curve]
    return Result(
        choice=choice,
        settings={},
        last=last,
        best=chosen,
        seconds=curve[-1][0],
        cpu_seconds=2 * curve[-1][0],
        curve=points,
    )


def test_par_is_what_the_base_ends_with() -> None:
    base = make_result([(10, 0.5), (20, 0.95), (30, 0.9)], 0.6)
    assert find_goal(base) == 0.9
    assert find_par(base, 0.9) == base.curve[1]
    late = make_result([(40, 0.89), (80, 0.95)], 0.6)
    assert find_par(late, 0.9) == late.curve[1]
    assert find_par(make_result([(40, 0.89)], 0.6), 0.9) is None


def test_the_tables_show_what_is_measured_so_far() -> None:
    base = [make_result([(10, 0.5), (20, 0.9)], value) for value in (0.5, 0.6, 0.7)]
    other = make_result([(5, 0.5), (50, 0.95)], 0.4, best=0.5, choice="no mosaic")
    peer = make_result([(30, 0.6)], 0.1, choice=PEER)
    results: dict[str, list[Result | None]] = {
        BASE: [*base],
        "no mosaic": [other, None, make_result([(70, 0.2)], 0.8, best=0.9, choice="no mosaic")],
        PEER: [None, peer, None],
        "half the epochs": [None, None, None],
    }
    choices, epochs = tabulate(results).split("\n\n", 1)
    assert choices.splitlines()[2:] == [
        f"| {BASE} | 3 | 0.900 | 0.600 |  | 0.80 | 40 | 20 | 40 | 20 |",
        "| no mosaic | 2 | 0.900 | 0.600 | +0.000 (-0.100 to +0.100) | 0.80 | 120 | 60 | 100 (1 of 2) "
        "| 50 (1 of 2) |",
        f"| {PEER} | 1 | 0.900 | 0.100 | -0.500 (-0.500 to -0.500) | 0.80 | 60 | 30 | never | never |",
    ]
    assert "5 trainings" in epochs
    assert epochs.splitlines()[-1].endswith("in pairs: -0.040 ± 0.024.")
    assert "| best on the held-out pictures | 0.900 ± 0.000 | 0.640 ± 0.075 |" in epochs


def test_every_choice_differs_from_the_base_and_can_be_made() -> None:
    assert Recipe() == RECIPE
    settings = {}
    for name, choice in CHOICES.items():
        options, recipe = choice.settle(epochs=30, image_size=416)
        settings[name] = json.dumps(describe_settings(name, options, recipe), sort_keys=True)
        assert recipe.overrides(30)["close_mosaic"] == 30 - round(30 * recipe.mosaic_until)
    assert len(set(settings.values())) == len(CHOICES)
    assert CHOICES[BASE].settle(30, 416) == (TrainingOptions(epochs=30, image_size=416), RECIPE)
    assert CHOICES["half the epochs"].settle(30, 416)[0].epochs == 15
