"""What presses do to inks: genuine print runs differ a little, a forger's reprint differs more."""

from dataclasses import dataclass
from math import cos, radians, sin
from typing import TypeVar

import cv2
import numpy as np

from deploy.local.photos.ink import Bytes, Floats

T = TypeVar("T", Bytes, Floats)


@dataclass(frozen=True)
class PrintRun:
    """How one print run came out: hue turned in degrees, brightness as a factor, dot gain as an exponent."""

    hue: float
    brightness: float
    gain: float


def choose_run(rng: np.random.Generator) -> PrintRun:
    """Choose a genuine run: hue within about 1.2 degrees, brightness 3 %, dot gain 3 % (one sigma)."""
    hue, brightness, gain = np.clip(rng.standard_normal(3), -2.5, 2.5)
    return PrintRun(1.2 * float(hue), 1 + 0.03 * float(brightness), 1 + 0.03 * float(gain))


def ink(print: Bytes, run: PrintRun) -> Bytes:
    """Return an HxWx3 print as this run inks it."""
    steps = np.arange(256, dtype=np.float32) / 255
    curve = np.clip(255 * run.brightness * steps**run.gain, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(turn_hue(print, run.hue), curve), np.uint8)


def turn_hue(print: Bytes, degrees: float) -> Bytes:
    """Turn all hues by an angle and leave greys and luma alone: W3C Filter Effects, `hueRotate`."""
    luma = np.array([0.213, 0.715, 0.072])
    grey = np.tile(luma, (3, 1))
    across = np.array([[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]])
    turn = radians(degrees)
    matrix = grey + cos(turn) * (np.eye(3) - grey) + sin(turn) * across
    return np.asarray(cv2.transform(print, matrix), np.uint8)


def reprint(print: T, lines: int, quality: int) -> T:
    """Scan and print again at `lines` over the longer edge, as JPEG of `quality` in between."""
    height, width = print.shape[:2]
    share = lines / max(height, width)
    small = (max(2, round(width * share)), max(2, round(height * share)))
    scan = np.asarray(cv2.resize(print, small, interpolation=cv2.INTER_AREA))
    if scan.dtype == np.uint8:
        _, file = cv2.imencode(".jpg", scan, [cv2.IMWRITE_JPEG_QUALITY, quality])
        scan = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))
    return np.asarray(cv2.resize(scan, (width, height), interpolation=cv2.INTER_CUBIC), print.dtype)
