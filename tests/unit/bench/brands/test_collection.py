"""The collection as files: complete, listed, continued where it stopped."""

import json
from pathlib import Path

import pytest
from PIL import Image

from assay_shared.annotations import check_against_picture, parse_annotation
from bench.brands.__main__ import write_brand
from bench.brands.catalog import FAMILIES, REPORTING, TUNING, invent
from bench.brands.collection import Counts
from bench.brands.fakes import KINDS


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("brands")
    write_brand(out, "plain-1", Counts(train=2, genuine=1, fakes=1, distractors=2), 480)
    return out


def test_every_photo_has_an_annotation_and_an_entry(collection: Path) -> None:
    manifest = json.loads((collection / "manifest.json").read_text())
    files = sorted(str(path.relative_to(collection)) for path in collection.rglob("*.jpg"))
    assert [entry["file"] for entry in manifest["photos"]] == files
    assert len(files) == 2 + 1 + len(KINDS) + 2
    assert (collection / "plain-1" / "DONE").exists()
    for entry in manifest["photos"]:
        with Image.open(collection / entry["file"]) as picture:
            assert picture.size == (entry["width"], entry["height"])
            assert not picture.getexif() or entry["kind"] == "distractors"
        annotation = json.loads((collection / entry["file"]).with_suffix(".json").read_text())
        assert annotation["file"] == Path(entry["file"]).name
        check_against_picture(parse_annotation(annotation), entry["width"], entry["height"])
        labels = {category["name"] for category in annotation["categories"]}
        assert labels == set(manifest["brands"]["plain-1"]["labels"])
        assert bool(annotation["annotations"]) == (entry["kind"] != "distractors")
        local = entry["kind"] in ("missing-element", "altered-text", "moved-logo")
        assert bool(entry.get("altered")) == local


def test_what_exists_is_not_made_again(collection: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in collection.rglob("*.jpg")}
    lost = collection / "plain-1/train/000.jpg"
    kept = lost.read_bytes()
    lost.unlink()
    write_brand(collection, "plain-1", Counts(train=2, genuine=1, fakes=1, distractors=2), 480)
    after = {path: path.stat().st_mtime_ns for path in collection.rglob("*.jpg")}
    assert [path for path in before if before[path] != after[path]] == [lost]
    assert lost.read_bytes() == kept


def test_no_family_is_both_tuned_on_and_reported() -> None:
    tuned, reported = ({slug.rpartition("-")[0] for slug in slugs} for slugs in (TUNING, REPORTING))
    assert tuned | reported == set(FAMILIES)
    assert not tuned & reported
    assert len(REPORTING) >= 12
    assert len(reported) >= 4


def test_brands_of_a_family_differ_in_name_number_and_emblem() -> None:
    for family in FAMILIES:
        one, other = invent(f"{family}-1"), invent(f"{family}-2")
        assert one.name != other.name
        assert one.gtin != other.gtin
        assert one.sheet.ground.shape != other.sheet.ground.shape or (
            (one.sheet.ground != other.sheet.ground).any(axis=2).mean() > 0.5
        )


@pytest.mark.parametrize("slug", ["medicine", "glue-1", "can-x"])
def test_an_unknown_brand_is_refused(slug: str) -> None:
    with pytest.raises(ValueError, match="family-number"):
        invent(slug)
