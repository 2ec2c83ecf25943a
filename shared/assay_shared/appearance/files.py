"""A product's appearance as one safetensors file: arrays only, never a pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from assay_shared.appearance.calibration import Calibration
from assay_shared.appearance.known import KnownKind
from assay_shared.appearance.model import AppearanceModel, Limits
from assay_shared.appearance.patches import Pixels
from assay_shared.appearance.proportions import Plane
from assay_shared.appearance.reference import make_reference
from assay_shared.appearance.robust import Gaussian, Regression
from assay_shared.appearance.significance import KNOWN, Significance
from assay_shared.appearance.spots import Spots
from assay_shared.appearance.standard import Standard
from assay_shared.appearance.statistics import CAUSES, Statistics
from assay_shared.appearance.whole import TRAITS, WholeModel

FORMAT, WHOLE_FORMAT = 8, 1003
MOST_BYTES = 3_000_000
"""Of one product's file."""
REGRESSION = ("centre", "spread", "slopes", "middle", "low", "high")
SPOTS = ("centre", "spread", "slope", "levels", "peaks")
"""Kept in half precision: 3 digits of a logarithm are more than 62 photos know."""

Arrays = dict[str, npt.NDArray[np.generic]]


class AppearanceFileCorrupt(ValueError):
    """The bytes are no appearance."""


class AppearanceFileOutdated(AppearanceFileCorrupt):
    """The appearance was learnt by another version of Assay, which measured other things."""


def pack_appearance(model: AppearanceModel) -> bytes:
    """The file of a product's appearance. The reference is packed without loss: its keypoints and bands are
    found again when it is read."""
    statistics = model.statistics
    plane = np.array([*statistics.plane.shape, statistics.plane.focal, statistics.plane.focal_spread])
    arrays: Arrays = {
        "format": np.array([FORMAT]),
        "reference": _compress(model.reference.pixels),
        "mask": _compress(model.reference.mask.astype(np.uint8) * 255),
        "alike": _compress(model.reference.alike.astype(np.uint8) * 255),
        "relief": model.reference.frame.relief.astype(np.float32),
        "modes": model.reference.frame.modes.astype(np.float32),
        "places_mean": statistics.places_mean.astype(np.float32),
        "places_spread": statistics.places_spread.astype(np.float32),
        "inks.mean": statistics.inks.mean,
        "inks.precision": statistics.inks.precision,
        "usual": statistics.usual,
        "fine_rest.mean": statistics.fine_rest.mean,
        "fine_rest.precision": statistics.fine_rest.precision,
        "plane": plane,
        "stretch": np.array([statistics.stretch, statistics.stretch_spread]),
        "limits": np.array([model.limits.density, model.limits.softness, model.limits.agreement]),
        **{f"fine.{name}": getattr(statistics.fine, name) for name in REGRESSION},
        **{f"spots.{name}": getattr(statistics.spots, name).astype(np.float16) for name in SPOTS},
        **_list_significance(model.significance),
    }
    return _save(arrays)


def pack_whole(model: WholeModel) -> bytes:
    """The file of a product that is looked at as a whole."""
    arrays: Arrays = {
        "format": np.array([WHOLE_FORMAT]),
        "density": np.array([model.density]),
        **_list_significance(model.significance),
    }
    for trait, usual in model.usual.items():
        arrays |= {f"{trait}.mean": usual.mean, f"{trait}.precision": usual.precision}
    return _save(arrays)


def unpack_appearance(data: bytes) -> AppearanceModel:
    """The appearance in a file. Raises AppearanceFileCorrupt, also where the product is looked at as a
    whole."""
    found = unpack_any(data)
    if isinstance(found, WholeModel):
        raise AppearanceFileCorrupt("no print is compared of this product")
    return found


def unpack_any(data: bytes) -> AppearanceModel | WholeModel:
    """What a file knows of a product. Raises AppearanceFileCorrupt, and AppearanceFileOutdated."""
    try:
        arrays = load(data)
        found = int(arrays["format"][0])
        if found not in (FORMAT, WHOLE_FORMAT):
            raise AppearanceFileOutdated(f"format {found} is not {FORMAT} or {WHOLE_FORMAT}")
        return _build(arrays) if found == FORMAT else _build_whole(arrays)
    except AppearanceFileOutdated:
        raise
    except (SafetensorError, KeyError, IndexError, ValueError, cv2.error) as error:
        raise AppearanceFileCorrupt(f"no appearance of a product: {error}") from error


def _build(arrays: Mapping[str, npt.NDArray[np.generic]]) -> AppearanceModel:
    def take(name: str) -> npt.NDArray[np.float64]:
        return np.asarray(arrays[name], np.float64)

    mask, alike = (
        np.asarray(_decompress(arrays[name], cv2.IMREAD_GRAYSCALE) > 127) for name in ("mask", "alike")
    )
    relief, modes = np.asarray(arrays["relief"], np.float32), np.asarray(arrays["modes"], np.float32)
    plane, stretch, limits = take("plane"), take("stretch"), take("limits")
    statistics = Statistics(
        places_mean=np.asarray(arrays["places_mean"], np.float32),
        places_spread=np.asarray(arrays["places_spread"], np.float32),
        inks=Gaussian(take("inks.mean"), take("inks.precision")),
        usual=take("usual"),
        fine=Regression(**{name: take(f"fine.{name}") for name in REGRESSION}),
        fine_rest=Gaussian(take("fine_rest.mean"), take("fine_rest.precision")),
        plane=Plane(plane[:4], float(plane[4]), float(plane[5])),
        stretch=float(stretch[0]),
        stretch_spread=float(stretch[1]),
        spots=Spots(**{name: np.asarray(arrays[f"spots.{name}"], np.float32) for name in SPOTS}),
    )
    reference = make_reference(_decompress(arrays["reference"], cv2.IMREAD_COLOR), mask, alike, relief, modes)
    return AppearanceModel(
        reference,
        statistics,
        _take_significance(arrays, CAUSES),
        Limits(*(float(limit) for limit in limits)),
    )


def _build_whole(arrays: Mapping[str, npt.NDArray[np.generic]]) -> WholeModel:
    usual = {
        trait: Gaussian(
            np.asarray(arrays[f"{trait}.mean"], np.float64),
            np.asarray(arrays[f"{trait}.precision"], np.float64),
        )
        for trait in TRAITS
    }
    density = float(np.asarray(arrays["density"], np.float64)[0])
    return WholeModel(usual, _take_significance(arrays, TRAITS), density)


def _list_significance(significance: Significance) -> Arrays:
    standard, calibrations, known = significance.standard, significance.calibrations, significance.known
    kind: Arrays = {}
    if known is not None:
        kind = {"known.weights": known.weights, "known.scale": np.array([known.middle, known.spread])}
    return {
        **kind,
        **{f"standard.{name}": getattr(standard.usual, name) for name in REGRESSION},
        "standard.above": standard.spread,
        "lead": significance.lead,
        **{
            f"calibration.{name}": np.append([one.edge, one.scale, one.count, one.beyond], one.scores)
            for name, one in (*calibrations.items(), ("joint", significance.joint))
        },
    }


def _take_significance(arrays: Mapping[str, npt.NDArray[np.generic]], names: Sequence[str]) -> Significance:
    usual = {name: np.asarray(arrays[f"standard.{name}"], np.float64) for name in REGRESSION}
    standard = Standard(Regression(**usual), np.asarray(arrays["standard.above"], np.float64))
    known = None
    if "known.weights" in arrays:
        middle, width = np.asarray(arrays["known.scale"], np.float64)
        known = KnownKind(np.asarray(arrays["known.weights"], np.float64), float(middle), float(width))
        names = (*names, KNOWN)
    found = {}
    for name in (*names, "joint"):
        edge, scale, count, beyond, *scores = np.asarray(arrays[f"calibration.{name}"], np.float64)
        found[name] = Calibration(np.array(scores), float(edge), float(scale), int(count), int(beyond))
    joint = found.pop("joint")
    return Significance(standard, found, np.asarray(arrays["lead"], np.float64), joint, known)


def _save(arrays: Arrays) -> bytes:
    return bytes(save({name: np.ascontiguousarray(values) for name, values in arrays.items()}))


def _compress(pixels: Pixels) -> npt.NDArray[np.uint8]:
    done, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 6])
    if not done:
        raise ValueError("the reference cannot be packed")
    return np.asarray(data, np.uint8).ravel()


def _decompress(data: npt.NDArray[np.generic], colours: int) -> Pixels:
    # Not asked for RGB: channels come back in the order in which they went in.
    return np.asarray(cv2.imdecode(np.asarray(data, np.uint8), colours), np.uint8)
