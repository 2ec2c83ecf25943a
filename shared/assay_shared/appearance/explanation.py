"""A judgement as a picture: the product in the photo, its face straightened, the genuine print beside it."""

from __future__ import annotations

import cv2
import numpy as np

from assay_shared.appearance.model import AppearanceModel, Judgement
from assay_shared.appearance.patches import Doubles, Flags, Floats, Patch, Pixels
from assay_shared.appearance.reference import Reference
from assay_shared.appearance.sketches import Outline, Sketch
from assay_shared.appearance.statistics import LOCAL_CAUSES, average_places
from assay_shared.appearance.views import bring_patch, outline_print

HEIGHT = 560
"""Pixels of the picture's height."""
QUALITY = 82
NOTED = 0.05
"""P-value under which a photo, and a cause in it, is unusual enough to outline places."""
SHARE_OF_PEAK = 0.55
LEAST = 4.0
"""Spreads that a place departs by at least to be outlined."""
GAP = 12
_GROUND = (24, 24, 27)
_OUTLINE = (255, 59, 48)
_FACE = (53, 197, 139)


def find_departing(model: AppearanceModel, judgement: Judgement) -> Flags:
    """Where the print departs, in the frame (height, width); nowhere unless the photo and some local cause
    are unusual: a wrong outline is worse than none."""
    frame = model.reference.frame
    nowhere = np.zeros((frame.height, frame.width), bool)
    causes = judgement.causes or {}
    unusual = {cause.split()[0] for cause in LOCAL_CAUSES if causes.get(cause, 1.0) < NOTED}
    if judgement.measures is None or judgement.p is None or judgement.p >= NOTED or not unusual:
        return nowhere
    size = (frame.width, frame.height)
    maps = model.statistics.map_departures(judgement.measures)
    shown = [np.nan_to_num(average_places(maps[name], 3), nan=0.0) for name in sorted(unusual & maps.keys())]
    if "print" in unusual:
        spots = model.statistics.spots.map_departures(judgement.measures.unexplained)
        shown.append(np.nan_to_num(spots, nan=0.0).max(0))
    departures = np.max([cv2.resize(one, size, interpolation=cv2.INTER_LINEAR) for one in shown], 0)
    limit = max(LEAST, SHARE_OF_PEAK * float(departures.max()))
    return np.asarray((departures >= limit) & model.reference.mask)


def sketch_explanation(model: AppearanceModel, patch: Patch, judgement: Judgement) -> Sketch:
    """What is needed to draw the explanation of a judgement later."""
    aligned = judgement.aligned
    if aligned is None:
        return Sketch(patch, None, np.zeros(0, np.float32), ())
    departing = find_departing(model, judgement)
    outlines: list[Outline] = []
    if departing.any():
        grown = cv2.dilate(departing.astype(np.uint8), np.ones((13, 13), np.uint8))
        found, _ = cv2.findContours(grown, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        outlines = [np.asarray(outline, np.int32) for outline in found]
    return Sketch(patch, aligned.pose, aligned.bend, tuple(outlines))


def draw_explanation(reference: Reference, sketch: Sketch) -> Pixels:
    """The picture (HEIGHT, w, 3) RGB: the photo with the printed face outlined, the face as the frame
    shows it, and the genuine print, with what departs outlined in both. Without alignment, photo and
    genuine print."""
    patch = sketch.patch
    if sketch.pose is None:
        return _lay([_fit(patch.pixels), _fit(_fade(reference.pixels, reference.mask))])
    to_patch = np.asarray(np.linalg.inv(patch.to_photo()) @ sketch.pose)
    face, _, _ = bring_patch(patch, to_patch, sketch.bend, reference.frame)
    panels = [_outline_face(patch, to_patch, sketch.bend, reference)]
    for pixels in (face, reference.pixels):
        shown = _fade(pixels, reference.mask)
        cv2.drawContours(shown, sketch.outlines, -1, _OUTLINE, 4, cv2.LINE_AA)
        panels.append(shown)
    return _lay([_fit(panel) for panel in panels])


def draw_patch(patch: Patch) -> Pixels:
    """The picture (HEIGHT, w, 3) of a product that has no print to compare: the photo alone."""
    return _fit(patch.pixels)


def encode_explanation(picture: Pixels) -> bytes:
    """The picture as JPEG."""
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    if not done:
        raise ValueError("the explanation cannot be encoded")
    return bytes(np.asarray(data, np.uint8))


def _outline_face(patch: Patch, to_patch: Doubles, bend: Floats, reference: Reference) -> Pixels:
    outlines = outline_print(reference.mask.astype(np.uint8), to_patch, bend, reference.frame)
    shown = patch.pixels.copy()
    if outlines:
        cv2.polylines(shown, [max(outlines, key=cv2.contourArea)], True, _FACE, 4, cv2.LINE_AA)
    return shown


def _fade(pixels: Pixels, mask: Flags) -> Pixels:
    """What is no print is of no account: it is shown darker."""
    weight = np.where(mask, np.float32(1), np.float32(0.35))[..., None]
    return np.ascontiguousarray((pixels * weight).astype(np.uint8))


def _fit(pixels: Pixels) -> Pixels:
    width = max(1, round(pixels.shape[1] * HEIGHT / pixels.shape[0]))
    return np.asarray(cv2.resize(pixels, (width, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def _lay(panels: list[Pixels]) -> Pixels:
    gap = np.full((HEIGHT, GAP, 3), _GROUND, np.uint8)
    parts = [part for panel in panels for part in (panel, gap)][:-1]
    return np.asarray(np.concatenate(parts, 1))
