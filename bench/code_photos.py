"""Photos of one printed code each, with what makes it hard to read drawn at random and written down.

A label with print around the code lies flat or bent round a can before a soft background; the camera turns,
tilts, blurs, shakes, adds noise and a reflection, and writes a JPEG.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp
from PIL import Image, ImageDraw

from deploy.local.photos.barcode import draw_ean13
from deploy.local.photos.catalog import with_check_digit
from deploy.local.photos.ink import font

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Kind = Literal["ean13", "qr", "datamatrix"]
KINDS: tuple[Kind, ...] = ("ean13", "qr", "datamatrix")

FINE = 8
"""Pixels of the printed label per module, before any camera."""
SIZES = ((1600, 1200), (4032, 3024))
"""Width and height of the pictures: as messengers send them, as phones take them."""
SQUARES = 1.6
"""How much larger the modules of square codes are than bars: 0.495 to 0.33 mm and less (GS1 General
Specifications, section 5.12.3)."""
HELD_STRAIGHT = 0.6
"""Share of pictures in which the code lies along an axis of the picture, give or take 8 degrees."""


STRIPED = 0.15
"""Share of labels whose ground is stripes parallel to the bars, which look like bars."""


@dataclass(frozen=True)
class Taken:
    """How a code was photographed: `module` pixels of the whole picture per module; `angle` degrees to the
    nearest axis of the picture (0 to 45); `tilt` degrees away from the camera; `blur` standard deviation in
    modules, shake included; `noise` standard deviation in grey levels; `contrast` of ink against paper, 0 to
    1; `glare`: a reflection lies over part of the code; `bent`: degrees of a can's girth that the code takes.
    """

    module: float
    angle: float
    tilt: float
    blur: float
    noise: float
    contrast: float
    glare: bool
    bent: float


@dataclass(frozen=True)
class CodePhoto:
    """A JPEG, the text of its one code, its label's place (left, top, right, bottom), and its making."""

    data: bytes
    text: str
    place: tuple[float, float, float, float]
    taken: Taken


def take_photo(seed: int, kind: Kind = "ean13") -> CodePhoto:
    """The photo of a seed: the same arguments, the same photo."""
    rng = np.random.default_rng([0xC0DE, seed])
    size = SIZES[int(rng.random() < 0.3)]
    module = float(np.exp(rng.uniform(np.log(0.9), np.log(4.0)))) * (1.0 if kind == "ean13" else SQUARES)
    turn = float(rng.uniform(0, 360))
    if rng.random() < HELD_STRAIGHT:
        turn = 90.0 * round(turn / 90) + float(rng.normal(0, 8))
    tilt, around = float(abs(rng.normal(0, 18))), float(rng.uniform(0, 360))
    blur = float(rng.choice([0.5, 0.7, 1.0, 1.5])) * float(rng.uniform(0.8, 1.2))  # pixels
    shake = float(rng.uniform(1, 4)) if rng.random() < 0.25 else 0.0
    noise = float(rng.choice([1.0, 2.5, 5.0]))
    contrast = float(rng.uniform(0.35, 0.95))
    bent = float(rng.uniform(20, 90)) if rng.random() < 0.3 else 0.0
    text, code = _print_code(rng, kind)
    label, corner = _print_label(rng, code, contrast)
    if bent:
        label = _bend(label, corner, code.shape, bent, upright=rng.random() < 0.5)
    plane = _aim(rng, label, module, (turn, min(tilt, 50.0), around), size)
    light = _paint(rng, label, plane, size)
    glare = bool(rng.random() < 0.25)
    if glare:
        spot = np.array(corner) + np.array(code.shape[::-1]) * rng.uniform(0.1, 0.9, 2)
        _reflect(rng, light, _move(plane, spot[None])[0], module)
    picture = _expose(rng, light, blur, shake, noise)
    buffer = io.BytesIO()
    Image.fromarray(picture).convert("RGB").save(buffer, "JPEG", quality=int(rng.integers(80, 95)))
    taken = Taken(
        module=module,
        angle=min(turn % 90, 90 - turn % 90),
        tilt=tilt,
        blur=float(np.hypot(blur, shake / 12**0.5)) / module,  # a uniform smear spreads by length / sqrt(12)
        noise=noise,
        contrast=contrast,
        glare=glare,
        bent=bent,
    )
    height, width = label.shape
    quad = _move(plane, np.array([(0, 0), (width, 0), (width, height), (0, height)]))
    left, top = np.maximum(quad.min(axis=0), 0)
    right, bottom = np.minimum(quad.max(axis=0), size)
    return CodePhoto(buffer.getvalue(), text, (float(left), float(top), float(right), float(bottom)), taken)


def _print_code(rng: np.random.Generator, kind: Kind) -> tuple[str, Bytes]:
    """A code's text and its print, grey, FINE pixels per module, with its quiet zone."""
    gtin = with_check_digit("".join(str(digit) for digit in rng.integers(0, 10, 12)))
    if kind == "ean13":
        return gtin, np.ascontiguousarray(draw_ean13(gtin, FINE, int(rng.integers(25, 70)) * FINE)[..., 0])
    serial = "".join(str(digit) for digit in rng.integers(0, 10, 6))
    if kind == "qr":
        text = f"https://id.example.com/01/0{gtin}/10/A{serial}"
        made = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
    else:
        text = f"010{gtin}10A{serial}"
        made = zxingcpp.create_barcode(
            f"(01)0{gtin}(10)A{serial}", zxingcpp.BarcodeFormat.DataMatrix, gs1=True
        )
    code = np.asarray(zxingcpp.write_barcode_to_image(made, scale=FINE, add_quiet_zones=True))
    return text, np.asarray(code if code.ndim == 2 else code[..., 0], np.uint8)


def _print_label(rng: np.random.Generator, code: Bytes, contrast: float) -> tuple[Floats, tuple[int, int]]:
    """A label with the code on it, 0 (black) to 1 (white), and the code's left top corner there."""
    height, width = code.shape
    size = int(width * rng.uniform(1.2, 1.8)), int(height * rng.uniform(1.6, 2.6))
    label = Image.new("L", size, int(rng.integers(60, 220)))
    pen = ImageDraw.Draw(label)
    if rng.random() < STRIPED:
        pitch = int(rng.integers(3, 9)) * FINE
        for left in range(0, size[0], 2 * pitch):
            pen.rectangle((left, 0, left + pitch - 1, size[1]), fill=40)
    for row in range(0, size[1], 18 * FINE):
        words = "".join(rng.choice(list("abcdefghijklmnoprstuvw   ")) for _ in range(60))
        pen.text((0, row), words, font=font("DejaVuSans", int(rng.integers(8, 15)) * FINE), fill=30)
    left, top = (
        int(rng.uniform(0.05, 0.95) * (size[0] - width)),
        int(rng.uniform(0.05, 0.95) * (size[1] - height)),
    )
    label.paste(Image.fromarray(code), (left, top))
    share = np.asarray(label, np.float32) / 255
    return np.asarray(0.95 * (1 - contrast * (1 - share)), np.float32), (left, top)


def _bend(
    label: Floats, corner: tuple[int, int], shape: tuple[int, ...], degrees: float, *, upright: bool
) -> Floats:
    """The label as it looks round a can that stands upright (bars then lie along it) or lies down, seen
    straight at the code's middle; what turns away from the camera gets darker."""
    axis = 1 if upright else 0
    middle = corner[1 - axis] + shape[axis] / 2
    radius = shape[axis] / np.radians(degrees)
    reach = radius * np.sin(np.minimum(np.pi / 2.2, np.array([middle, label.shape[axis] - middle]) / radius))
    across = np.arange(-reach[0], reach[1], dtype=np.float32) / np.float32(radius)
    source = np.float32(middle) + np.float32(radius) * np.arcsin(np.clip(across, -1, 1))
    other = np.arange(label.shape[1 - axis], dtype=np.float32)
    x, y = np.meshgrid(source, other) if upright else np.meshgrid(other, source)
    light = 0.35 + 0.65 * np.sqrt(1 - across**2)
    bent = cv2.remap(label, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(bent * (light[None, :] if upright else light[:, None]), np.float32)


def _aim(
    rng: np.random.Generator,
    label: Floats,
    module: float,
    angles: tuple[float, float, float],
    size: tuple[int, int],
) -> npt.NDArray[np.float64]:
    """The homography from pixels of the label to those of the picture: `angles` are roll, tilt and the
    direction of the tilt, in degrees; the label's middle has `module` pixels to a module where it is not
    foreshortened."""
    turn, tilt, around = np.radians(angles)
    height, width = label.shape
    to_middle = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1.0]])
    roll = _turned(turn)
    away = 2.5 * max(label.shape)
    lean = np.array([[np.cos(tilt), 0, 0], [0, 1, 0], [np.sin(tilt) / away, 0, 1]])
    flat = (
        np.diag([module / FINE, module / FINE, 1.0])
        @ _turned(around)
        @ lean
        @ _turned(-around)
        @ roll
        @ to_middle
    )
    corners = _move(flat, np.array([(0, 0), (width, 0), (width, height), (0, height)]))
    room = np.maximum(np.array(size) - np.ptp(corners, axis=0), 0)
    shift = -corners.min(axis=0) + rng.uniform(0.1, 0.9, 2) * room
    return np.asarray(np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1.0]]) @ flat, np.float64)


def _turned(angle: float) -> npt.NDArray[np.float64]:
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])


def _move(plane: npt.NDArray[np.float64], points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(cv2.perspectiveTransform(points[None].astype(np.float64), plane)[0], np.float64)


def _paint(
    rng: np.random.Generator, label: Floats, plane: npt.NDArray[np.float64], size: tuple[int, int]
) -> Floats:
    """The label before a soft background under uneven light, without any lens: 0 to 1, antialiased."""
    coarse = rng.uniform(0.2, 0.8, (24, 32)).astype(np.float32)
    scene = np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC), np.float32)
    height, width = label.shape
    quad = _move(plane, np.array([(0, 0), (width, 0), (width, height), (0, height)]))
    left, top = np.maximum(np.floor(quad.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(quad.max(axis=0)).astype(int) + 1, size)
    share = min(1.0, 2.0 * float(np.hypot(*(quad[2] - quad[0]))) / float(np.hypot(width, height)))
    small = np.asarray(cv2.resize(label, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.float32)
    back = np.diag([width / small.shape[1], height / small.shape[0], 1.0])
    window = np.array([[2, 0, -2.0 * left], [0, 2, -2.0 * top], [0, 0, 1.0]]) @ plane @ back
    wide = (2 * int(right - left), 2 * int(bottom - top))
    layers = (
        cv2.warpPerspective(layer, window, wide, flags=cv2.INTER_LINEAR)
        for layer in (small, np.ones_like(small))
    )
    lit, there = (
        cv2.resize(layer, (wide[0] // 2, wide[1] // 2), interpolation=cv2.INTER_AREA) for layer in layers
    )
    target = scene[top:bottom, left:right]
    target *= 1 - there
    target += lit
    shade = rng.uniform(0.6, 1.0, (3, 3)).astype(np.float32)
    scene *= cv2.resize(shade, size, interpolation=cv2.INTER_CUBIC)
    return scene


def _reflect(rng: np.random.Generator, light: Floats, spot: npt.NDArray[np.float64], module: float) -> None:
    """Adds a lamp's reflection at `spot`, 8 to 25 modules across, in place."""
    reach = module * float(rng.uniform(8, 25))
    left, top = np.maximum(spot - 3 * reach, 0).astype(int)
    y, x = np.mgrid[top : int(spot[1] + 3 * reach), left : int(spot[0] + 3 * reach)].astype(np.float32)
    patch = light[top : top + y.shape[0], left : left + x.shape[1]]
    y, x = y[: patch.shape[0], : patch.shape[1]], x[: patch.shape[0], : patch.shape[1]]
    distance = ((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / reach**2
    patch += np.float32(rng.uniform(0.4, 1.2)) * np.exp(-distance * 2).astype(np.float32)


def _expose(rng: np.random.Generator, light: Floats, blur: float, shake: float, noise: float) -> Bytes:
    """Lens, shaking hand, sensor and the phone's own sharpening, as grey bytes; blurs in pixels."""
    picture = cv2.GaussianBlur(light, (0, 0), blur)
    if shake >= 1:
        side = 2 * int(np.ceil(shake / 2)) + 3
        kernel = np.zeros((side, side), np.float32)
        angle = float(rng.uniform(0, np.pi))
        for along in np.linspace(-shake / 2, shake / 2, 33):
            kernel[round(side // 2 + along * np.sin(angle)), round(side // 2 + along * np.cos(angle))] += 1
        picture = cv2.filter2D(picture, -1, kernel / kernel.sum())
    picture = np.clip(picture * float(rng.uniform(0.7, 1.15)), 0, 1) * 255
    # Demosaicing leaves grain that is a little wider than a pixel; 1.5 gives its spread back.
    grain = cv2.GaussianBlur(rng.standard_normal(picture.shape, np.float32), (0, 0), 0.55) * 1.5
    picture = picture + grain * np.float32(noise)
    if rng.random() < 0.6:
        soft = cv2.GaussianBlur(picture, (0, 0), 1.2)
        picture = picture + np.float32(rng.uniform(0.2, 0.7)) * (picture - soft)
    return np.asarray(np.clip(picture + 0.5, 0, 255), np.uint8)
