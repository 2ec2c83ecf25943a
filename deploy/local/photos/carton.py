"""What is on a package besides its artwork: plain panels, worn edges, a pouch's seams, a price sticker."""

import numpy as np
from PIL import Image, ImageDraw

from deploy.local.photos.catalog import DemoBrand
from deploy.local.photos.ink import Bytes, Floats, fit_text, font, gradient, hsv, smooth_noise
from deploy.local.photos.motifs import shift_hue


def price_sticker(width: int, height: int) -> Bytes:
    """Print the sticker that hides a barcode."""
    sticker = Image.fromarray(gradient(width, height, (255, 214, 64), (250, 186, 40), 0.6))
    pen = ImageDraw.Draw(sticker)
    pen.text(
        (width / 2, height * 0.3),
        "SPECIAL OFFER",
        font=font("DejaVuSans-Bold", height // 6),
        fill=(180, 20, 20),
        anchor="mm",
    )
    pen.text(
        (width / 2, height * 0.68),
        "3,49",
        font=font("DejaVuSans-Bold", height // 3),
        fill=(20, 20, 20),
        anchor="mm",
    )
    return np.asarray(sticker)


def side_panel(brand: DemoBrand, depth: float, hue: float, kind: str) -> Bytes:
    """Print a narrow panel: ground colour, the brand's name, lines of text."""
    height, width = 640, max(48, round(640 * depth))
    panel = Image.fromarray(gradient(width, height, hsv(hue, 0.75, 0.74), hsv(hue + 0.05, 0.85, 0.55), 1.2))
    pen = ImageDraw.Draw(panel)
    pale = hsv(hue + 0.5, 0.05, 1.0)
    face = fit_text(brand.name, "DejaVuSerif-BoldItalic", round(width * 0.8), 60)
    pen.text((width / 2, 70), brand.name, font=face, fill=pale, anchor="mm")
    for row in range(26):
        pen.line(
            (width * 0.14, 170 + 16 * row, width * (0.6 + 0.26 * ((row * 7) % 5) / 4), 170 + 16 * row),
            fill=pale,
            width=3,
        )
    pixels = np.asarray(panel)
    return shift_hue(pixels, 0.1) if kind == "colour-shift" else pixels


def top_panel(depth: float, hue: float, kind: str) -> Bytes:
    """Print the top: plain, with the edge of the flap that closes it."""
    width, height = 640, max(48, round(640 * depth))
    panel = gradient(width, height, hsv(hue + 0.02, 0.7, 0.8), hsv(hue + 0.04, 0.8, 0.66), 0.4)
    panel[round(height * 0.84) : round(height * 0.84) + 2] //= 2
    panel[round(height * 0.84) + 2 : round(height * 0.84) + 4, :] = hsv(hue, 0.3, 0.9)
    panel[:, 318:322] = hsv(hue, 0.5, 0.62)
    return shift_hue(panel, 0.1) if kind == "colour-shift" else panel


def wear_edges(front: Bytes, rng: np.random.Generator) -> None:
    """Lighten a carton's cut edges and give its print the unevenness of paper, in place."""
    height, width = front.shape[:2]
    edge = np.minimum.outer(
        np.minimum(np.arange(height), np.arange(height)[::-1]),
        np.minimum(np.arange(width), np.arange(width)[::-1]),
    ).astype(np.float32)
    rubbed = np.exp(-edge / 3) * np.clip(0.22 + 0.16 * smooth_noise(rng, height, width, (22, 17)), 0, 1)
    mottle = (
        1
        + 0.018 * smooth_noise(rng, height, width, (40, 30))
        + 0.012 * smooth_noise(rng, height, width, (9, 7))
    )
    worn = front * mottle[..., None] * (1 - rubbed[..., None]) + 225 * rubbed[..., None]
    np.copyto(front, np.clip(worn, 0, 255).astype(np.uint8))


def pouch_outline(front: Bytes) -> Floats:
    """Shade a pouch's crimped seams and soft folds into `front` and return its outline."""
    height, width = front.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    shade = np.ones((height, width), np.float32)
    seam = (y < 74) | (y > height - 74)
    shade -= np.where(seam, 0.09 + 0.07 * np.sin(y * 0.55), 0)
    bulge = np.abs(x / width * 2 - 1)
    shade -= np.where(seam, 0, 0.2 * np.clip(bulge - 0.72, 0, 1) ** 1.2 * 2)
    np.copyto(front, np.clip(front * shade[..., None], 0, 255).astype(np.uint8))
    alpha = Image.new("L", (width, height))
    ImageDraw.Draw(alpha).rounded_rectangle((3, 3, width - 4, height - 4), 46, fill=255)
    ImageDraw.Draw(alpha).ellipse((width // 2 - 26, 14, width // 2 + 26, 60), fill=0)
    return np.asarray(np.asarray(alpha) / 255, np.float32)
