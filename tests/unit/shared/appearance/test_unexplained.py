from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from assay_shared.appearance.alignment import Aligned
from assay_shared.appearance.frames import HALF
from assay_shared.appearance.unexplained import TILE, map_unexplained

Floats = npt.NDArray[np.float32]
SIDE = 240
JUDGED = np.ones((SIDE, SIDE), bool)
NO_VEIL = np.zeros((SIDE // HALF, SIDE // HALF), np.float32)
WORD = (slice(104, 128), slice(80, 160))


def draw(text: str = "GENUINE") -> Floats:
    """Detail of small print (SIDE, SIDE), grey values off their mean."""
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    for row in range(30, SIDE, 30):
        cv2.putText(
            canvas, text if row == 120 else "10 MG N20", (80, row), cv2.FONT_HERSHEY_SIMPLEX, 0.55, 90, 1
        )
    smooth = cv2.GaussianBlur(canvas.astype(np.float32), (0, 0), 1.0)
    return np.asarray(smooth - cv2.GaussianBlur(smooth, (0, 0), 12.0), np.float32)


def align() -> Aligned:
    """An alignment that left nothing to explain."""
    cells = SIDE // 16
    return Aligned(
        pixels=np.zeros((SIDE, SIDE, 3), np.uint8),
        seen=JUDGED,
        pose=np.eye(3, 4),
        bend=np.zeros(0, np.float32),
        residual=np.zeros((cells, cells, 2), np.float32),
        weights=np.ones((cells, cells), np.float32),
        agreement=0.95,
        density=1.5,
    )


def leave(ours: Floats, veil: Floats = NO_VEIL) -> float:
    """The mean energy left of the middle line's print."""
    energy = map_unexplained(ours, draw(), JUDGED, veil, align())
    rows, columns = (slice(part.start // TILE, part.stop // TILE) for part in WORD)
    return float(np.nanmean(energy[rows, columns]))


def move(detail: Floats) -> Floats:
    return np.roll(detail, 1, (0, 1))


def soften(detail: Floats) -> Floats:
    return np.asarray(cv2.GaussianBlur(detail, (0, 0), 0.7), np.float32)


def fade(detail: Floats) -> Floats:
    return np.asarray(0.93 * detail, np.float32)


@pytest.mark.parametrize("change", [move, soften, fade])
def test_what_a_camera_does_is_explained_and_another_word_is_not(change: Callable[[Floats], Floats]) -> None:
    assert leave(change(draw())) < 0.1 * leave(draw("GENIUNE"))
    assert leave(change(draw("GENIUNE"))) > 0.4 * leave(draw("GENIUNE"))


def test_what_is_not_judged_is_nan() -> None:
    judged = JUDGED.copy()
    judged[:, : SIDE // 2] = False
    energy = map_unexplained(draw(), draw(), judged, NO_VEIL, align())
    assert np.isnan(energy[:, : SIDE // 2 // TILE]).all()
    assert np.isfinite(energy[:, SIDE // 2 // TILE :]).all()


def test_what_the_edge_of_a_veil_leaves_is_no_print_and_another_word_under_it_is() -> None:
    _, columns = WORD
    veil = NO_VEIL.copy()
    veil[:, (columns.start + columns.stop) // 2 // HALF :] = 12.0
    shown = cv2.resize(veil, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    edge = np.asarray(0.3 * (shown - cv2.GaussianBlur(shown, (0, 0), 8.0)), np.float32)
    assert leave(draw() + edge, veil) < 0.1 * leave(draw() + edge)
    assert leave(draw("GENIUNE") + edge, veil) > 0.5 * leave(draw("GENIUNE"))


def test_flow_that_strays_where_there_is_nothing_to_see_moves_no_print_beside_it() -> None:
    """A cell of bare ground, hardly to be believed, says that all lies 20 pixels off."""
    strayed = align()
    strayed.weights[:] = 0.02
    strayed.residual[:] = 10.0
    energy = map_unexplained(draw(), draw(), JUDGED, NO_VEIL, strayed)
    assert float(np.nanmax(energy)) < 0.1 * leave(draw("GENIUNE"))
