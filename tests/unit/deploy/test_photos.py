"""The demo's photo generator: what others rely on in its photos, files and sets."""

from collections.abc import Callable
from io import BytesIO
from typing import TypedDict

import numpy as np
import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps

from deploy.local.photos import catalog, dataset, files, render
from deploy.local.photos.barcode import encode_ean13
from deploy.local.photos.geometry import visible_box

BRAND = catalog.make_brand()


class _Small(TypedDict):
    width: int
    height: int


SMALL: _Small = {"width": 320, "height": 240}


@pytest.fixture(scope="module")
def genuine() -> render.Photo:
    return render.render_photo(BRAND, 5, product=0, width=400, height=300)


def _check_sum(gtin: str) -> int:
    return sum(int(digit) * (1 if place % 2 == 0 else 3) for place, digit in enumerate(gtin)) % 10


@given(st.integers(0, 2**40), st.integers(1, 10))
def test_every_seed_invents_a_brand_with_valid_and_distinct_gtins(seed: int, products: int) -> None:
    brand = catalog.make_brand(seed, products)
    gtins = [product.gtin for product in brand.products]
    assert brand == catalog.make_brand(seed, products)
    assert len(set(gtins)) == len(set(brand.products)) == len({p.label for p in brand.products}) == products
    for product in brand.products:
        foreign = catalog.foreign_gtin(brand, product)
        assert foreign not in gtins
        for gtin in (product.gtin, foreign):
            assert len(gtin) == 13
            assert gtin.startswith(catalog.GS1_DEMO_PREFIX)
            assert _check_sum(gtin) == 0


def test_another_seed_invents_another_brand() -> None:
    assert len({catalog.make_brand(seed).slug for seed in range(30)}) == 30
    assert catalog.make_brand(7).products != catalog.make_brand(8).products


@pytest.mark.parametrize("products", [0, 11])
def test_a_brand_needs_a_possible_number_of_products(products: int) -> None:
    with pytest.raises(ValueError, match="1 to 10"):
        catalog.make_brand(1, products)


def test_roles_tell_products_marks_and_tell_tales_apart() -> None:
    roles = catalog.brand_labels(BRAND)
    assert [roles[product.label] for product in BRAND.products] == ["product", "product"]
    assert (roles["logo"], roles["seal"], roles["fake-logo"]) == ("mark", "mark", "counterfeit")


def test_modules_of_a_published_ean13() -> None:
    # The worked example of Wikipedia's article "International Article Number": 4 003994 155486, LGLLGG.
    left = "000110101001110111101000101100101110011101"
    right = "110011010011101001110101110010010001010000"
    assert encode_ean13("4003994155486") == f"101{left}01010{right}101"


def test_the_same_arguments_give_the_same_photo(genuine: render.Photo) -> None:
    again = render.render_photo(BRAND, 5, product=0, width=400, height=300)
    assert np.array_equal(genuine.pixels, again.pixels)
    assert genuine.boxes == again.boxes
    other = render.render_photo(BRAND, 6, product=0, width=400, height=300)
    assert not np.array_equal(genuine.pixels, other.pixels)


@pytest.mark.parametrize("kind", render.KINDS)
def test_each_fake_differs_from_the_genuine_photo_of_its_scene(kind: str, genuine: render.Photo) -> None:
    fake = render.render_photo(BRAND, 5, kind=kind, product=0, width=400, height=300)
    labels = {box.label for box in fake.boxes}
    product = BRAND.products[0]
    expected = {product.label, "logo", "seal"}
    if kind == "missing-seal":
        expected -= {"seal"}
    if kind == "wrong-logo":
        expected = {product.label, "fake-logo", "seal"}
    assert labels == expected
    assert (fake.kind, fake.product) == (kind, product)
    assert fake.boxes[0] == genuine.boxes[0]
    box = fake.boxes[0]
    inside = np.s_[box.top : box.top + box.height, box.left : box.left + box.width]
    difference = np.abs(fake.pixels.astype(int) - genuine.pixels)
    assert (difference[inside].max(axis=-1) > 40).sum() > 20


def test_another_brands_product_has_no_boxes() -> None:
    photo = render.render_photo(BRAND, 5, kind="other-product", **SMALL)
    assert (photo.product, photo.boxes) == (None, ())


def test_unknown_kinds_and_hidden_wrong_barcodes_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind 'fake'"):
        render.render_photo(BRAND, 1, kind="fake", **SMALL)
    with pytest.raises(ValueError, match="wrong barcode"):
        render.render_photo(BRAND, 1, kind="wrong-barcode", barcode_visible=False, **SMALL)


@pytest.mark.parametrize(("width", "height"), [(320, 240), (240, 320), (641, 479)])
def test_boxes_lie_within_the_frame_and_marks_within_the_product(width: int, height: int) -> None:
    for seed in range(4):
        photo = render.render_photo(BRAND, seed, width=width, height=height)
        assert photo.pixels.shape == (height, width, 3)
        assert photo.pixels.dtype == np.uint8
        whole = photo.boxes[0]
        assert photo.product is not None
        assert whole.label == photo.product.label
        for box in photo.boxes:
            assert box.width > 0
            assert box.height > 0
            assert 0 <= box.left < box.left + box.width <= width
            assert 0 <= box.top < box.top + box.height <= height
            assert box.left >= whole.left - 1
            assert box.left + box.width <= whole.left + whole.width + 1


@given(st.floats(-150, 150), st.floats(-150, 150))
def test_what_lies_in_the_frame_of_an_outline(left: float, top: float) -> None:
    square = np.add([(0, 0), (100, 0), (100, 100), (0, 100)], (left, top)).astype(np.float32)
    box, share = visible_box(square, 120, 110)
    wide = max(0.0, min(left + 100, 120) - max(left, 0))
    high = max(0.0, min(top + 100, 110) - max(top, 0))
    assert share == pytest.approx(wide * high / 10_000, abs=2e-3)
    if wide * high > 1.1:
        assert box is not None
        assert box[0] == pytest.approx(max(left, 0), abs=1.01)
        assert box[2] == pytest.approx(wide, abs=2.01)


@pytest.mark.parametrize(
    ("seed", "product", "kind"), [(2, 0, "genuine"), (3, 1, "genuine"), (4, 0, "wrong-barcode")]
)
def test_a_visible_barcode_can_be_read(seed: int, product: int, kind: str) -> None:
    photo = render.render_photo(BRAND, seed, kind=kind, product=product, barcode_visible=True)
    item = BRAND.products[product]
    expected = catalog.foreign_gtin(BRAND, item) if kind == "wrong-barcode" else item.gtin
    assert [code.text for code in zxingcpp.read_barcodes(photo.pixels)] == [expected]


def test_a_covered_barcode_cannot_be_read() -> None:
    photo = render.render_photo(BRAND, 2, product=0, barcode_visible=False)
    assert zxingcpp.read_barcodes(photo.pixels) == []


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_is_upright_once_its_orientation_is_applied(orientation: int, genuine: render.Photo) -> None:
    stored = Image.open(BytesIO(files.encode_photo(genuine, "jpeg", orientation=orientation, quality=95)))
    assert stored.size == ((400, 300) if orientation < 5 else (300, 400))
    assert stored.getexif()[ExifTags.Base.Orientation] == orientation
    upright = np.asarray(ImageOps.exif_transpose(stored), np.float32)
    assert upright.shape == genuine.pixels.shape
    assert np.abs(upright - genuine.pixels).mean() < 6


@pytest.mark.parametrize("format", files.FORMATS)
def test_every_format_carries_exif_and_the_place_only_if_wanted(format: str, genuine: render.Photo) -> None:
    told = Image.open(BytesIO(files.encode_photo(genuine, format)))
    assert told.format == format.upper()
    exif = told.getexif()
    assert exif[ExifTags.Base.Make] == "Demo Phones"
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] == (52.0, 22.0, 12.34)
    untold = files.encode_photo(genuine, format, gps=False)
    assert not Image.open(BytesIO(untold)).getexif().get_ifd(ExifTags.IFD.GPSInfo)
    assert b"GPSLatitude" not in untold


@pytest.mark.parametrize(("format", "orientation"), [("gif", 1), ("jpeg", 0), ("jpeg", 9), ("png", 6)])
def test_what_cannot_be_stored_is_refused(format: str, orientation: int, genuine: render.Photo) -> None:
    with pytest.raises(ValueError, match=r"unknown format|cannot be stored"):
        files.encode_photo(genuine, format, orientation=orientation)


def test_annotation_is_the_object_detection_json(genuine: render.Photo) -> None:
    labels = list(catalog.brand_labels(BRAND))
    annotation = files.annotation_json(genuine, "a.jpg", labels)
    assert list(annotation) == ["file", "image_size", "annotations", "categories"]
    assert annotation["image_size"] == [{"width": 400, "height": 300, "depth": 3}]
    assert annotation["categories"] == [{"class_id": i, "name": name} for i, name in enumerate(labels)]
    for entry, box in zip(annotation["annotations"], genuine.boxes, strict=True):
        assert labels[entry["class_id"]] == box.label
        assert [entry[side] for side in ("left", "top", "width", "height")] == [
            box.left,
            box.top,
            box.width,
            box.height,
        ]
    with pytest.raises(ValueError, match=r"a\.jpg have labels that were not given: seal"):
        files.annotation_json(genuine, "a.jpg", labels[:-2])


def test_training_set_is_balanced_and_mixed() -> None:
    photos = list(dataset.training_photos(BRAND, 16, **SMALL))
    assert len({photo.name for photo in photos}) == 16
    assert {photo.name.rsplit(".")[-1] for photo in photos} == {"jpg", "png", "webp", "avif"}
    shown = [photo.product for photo in photos if photo.photo_kind == "genuine"]
    assert [shown.count(product) for product in BRAND.products] == [7, 6]
    assert len({photo.product for photo in photos if photo.photo_kind == "wrong-logo"}) == 2
    for photo in photos:
        names = {entry["class_id"]: entry["name"] for entry in photo.annotation["categories"]}
        found = {names[entry["class_id"]] for entry in photo.annotation["annotations"]}
        assert photo.annotation["file"] == photo.name
        assert ("fake-logo" in found) == (photo.photo_kind == "wrong-logo")
        upright = ImageOps.exif_transpose(Image.open(BytesIO(photo.data)))
        size = photo.annotation["image_size"][0]
        assert upright.size == (size["width"], size["height"])


@pytest.mark.parametrize("photos", [dataset.training_photos, dataset.test_photos])
def test_sets_repeat_themselves(photos: Callable[..., object]) -> None:
    assert list(photos(BRAND, 2, **SMALL)) == list(photos(BRAND, 2, **SMALL))  # type: ignore[call-overload]


def test_test_set_is_half_counterfeit_over_all_kinds() -> None:
    kinds = [photo.photo_kind for photo in dataset.test_photos(BRAND, 12, **SMALL)]
    assert kinds.count("genuine") == 6
    assert set(kinds) == {"genuine", *render.KINDS}
    assert {p.photo_kind for p in dataset.test_photos(BRAND, 4, kinds=["wrong-logo"], **SMALL)} == {
        "genuine",
        "wrong-logo",
    }
