"""What photos are taken on: wood, cloth, stone, tiles, card; and the small things that lie about."""

from functools import lru_cache
from math import cos, pi, sin, tau

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from deploy.local.photos.ink import Bytes, Colour, Floats, font, fractal_noise, gradient, hsv, smooth_noise

SURFACES = ("wood", "cloth", "stone", "tiles", "card", "laminate")
SIZE = 1400
"""Edge of a surface texture in pixels; it covers `SPAN` times the longer edge of the product."""
SPAN = 2.6
_VARIANTS = 3

_WOODS = (((62, 40, 26), (168, 120, 76)), ((104, 72, 44), (214, 174, 124)), ((46, 34, 30), (112, 84, 66)))


def lay_surface(rng: np.random.Generator, kind: str | None = None) -> Bytes:
    """Return a surface in colour, SIZE x SIZE x 3, of `kind` or of any kind."""
    kind = kind or str(rng.choice(SURFACES))
    relief = _surface_relief(kind, int(rng.integers(_VARIANTS)))
    if kind == "wood":
        dark, light = _WOODS[int(rng.integers(len(_WOODS)))]
    else:
        hue = float(
            rng.choice([rng.normal(0.09, 0.04), rng.normal(0.6, 0.05), rng.random()], p=[0.5, 0.25, 0.25])
        )
        saturation = float(rng.choice([0.04, 0.12, 0.28])) * float(rng.uniform(0.6, 1.2))
        value = float(rng.uniform(0.35, 0.97))
        dark, light = hsv(hue, saturation * 1.2, value * 0.6), hsv(hue + 0.02, saturation * 0.7, value)
    share = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    palette = (
        (np.asarray(dark, np.float32) * (1 - share) + np.asarray(light, np.float32) * share)
        .round()
        .astype(np.uint8)
    )
    coloured = np.empty((SIZE, SIZE, 3), np.uint8)
    for channel in range(3):
        coloured[..., channel] = cv2.LUT(relief, palette[:, channel])
    return coloured if rng.random() < 0.5 else np.ascontiguousarray(coloured.transpose(1, 0, 2))


@lru_cache(maxsize=len(SURFACES) * _VARIANTS)
def _surface_relief(kind: str, variant: int) -> Bytes:
    """Return how light each point of a surface is, SIZE x SIZE, without its colour."""
    rng = np.random.default_rng([SURFACES.index(kind), variant])
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    match kind:
        case "wood":
            planks = 3 + 2 * variant
            plank = np.floor(y * planks)
            offset = np.sin(plank * 12.9898) * 43758.5453 % 1
            bend = smooth_noise(rng, SIZE, SIZE, (10, 3)) * 0.05
            rings = np.sin((y * 26 + bend * 26 + offset * 7 + 0.6 * np.sin(3 * x + 9 * offset)) * tau)
            fibre = (
                smooth_noise(rng, SIZE, SIZE, (600, 9)) * 0.5
                + smooth_noise(rng, SIZE, SIZE, (1400, 30)) * 0.4
            )
            seam = np.abs(y * planks - np.round(y * planks)) < 0.008 * planks / 4
            relief = 0.5 + 0.16 * rings + 0.13 * fibre + 0.2 * (offset - 0.5) - 0.5 * seam
        case "cloth":
            threads = 170 + 40 * variant
            weave = np.sin(x * threads * tau / 2) * 0.5 + np.sin(y * threads * tau / 2) * 0.5
            folds = fractal_noise(rng, SIZE, 3, 3, 0.5)
            check = (np.sin(x * (5 + 2 * variant) * tau) > 0.35).astype(np.float32) + (
                np.sin(y * (5 + 2 * variant) * tau) > 0.35
            )
            relief = 0.62 + 0.12 * weave + 0.13 * folds - (0.2 * check if variant else 0)
        case "stone":
            veins = np.abs(fractal_noise(rng, SIZE, 3 + variant, 6, 0.6))
            relief = (
                0.35 + 0.5 * np.clip(veins, 0, 1.2) + 0.05 * rng.standard_normal((SIZE, SIZE), np.float32)
            )
        case "tiles":
            cells = 4 + variant
            gap = np.minimum(np.abs(x * cells - np.round(x * cells)), np.abs(y * cells - np.round(y * cells)))
            tone = np.sin(np.floor(x * cells) * 12.99 + np.floor(y * cells) * 78.23) * 43758.5453 % 1
            relief = 0.7 + 0.16 * tone + 0.05 * fractal_noise(rng, SIZE, 8, 4, 0.7) - 0.55 * (gap < 0.018)
        case "card":
            relief = (
                0.8
                + 0.03 * rng.standard_normal((SIZE, SIZE), np.float32)
                + 0.06 * fractal_noise(rng, SIZE, 2, 6, 0.7)
            )
        case _:
            grain = rng.standard_normal((SIZE, SIZE), np.float32)
            speckle = cv2.GaussianBlur(grain, (0, 0), 1.6 + variant)
            relief = 0.68 + 0.35 * speckle * (1.6 + variant) / 2 + 0.04 * fractal_noise(rng, SIZE, 3, 3, 0.5)
    return np.asarray(np.clip(relief, 0, 1) * 255, np.uint8)


def scatter_things(rng: np.random.Generator, surface: Bytes, count: int) -> Bytes:
    """Lay `count` flat things (papers, pens, coins, cups, cards, leaves) on a surface, with their shadows."""
    base = Image.fromarray(surface)
    painters = (_paper, _pen, _coins, _cup, _card, _leaf)
    for _ in range(count):
        thing = painters[int(rng.integers(len(painters)))](rng)
        thing = thing.rotate(float(rng.uniform(0, 360)), Image.Resampling.BICUBIC, expand=True)
        turn, reach = float(rng.uniform(0, tau)), SIZE * float(rng.uniform(0.2, 0.5))
        left = _within(SIZE / 2 + reach * cos(turn) - thing.width / 2, thing.width)
        top = _within(SIZE / 2 + reach * sin(turn) - thing.height / 2, thing.height)
        shadow = (
            thing.getchannel("A").point(lambda alpha: round(alpha * 0.45)).filter(ImageFilter.GaussianBlur(7))
        )
        base.paste((12, 10, 10), (left + 8, top + 10), shadow)
        base.paste(thing, (left, top), thing)
    return np.asarray(base)


def _within(start: float, extent: int) -> int:
    """Keep a thing wholly on the surface: it would be cut off at the edge."""
    return round(min(max(start, 20), SIZE - extent - 20))


def _paper(rng: np.random.Generator) -> Image.Image:
    sheet = Image.new("RGBA", (420, 560), (238, 236, 230, 255))
    pen = ImageDraw.Draw(sheet)
    for row in range(30):
        if rng.random() < 0.86:
            pen.line(
                (40, 60 + 16 * row, 40 + float(rng.uniform(180, 340)), 60 + 16 * row),
                fill=(90, 90, 98, 255),
                width=4,
            )
    return sheet


def _pen(rng: np.random.Generator) -> Image.Image:
    body = np.zeros((34, 470, 4), np.uint8)
    colour = hsv(float(rng.random()), 0.8, float(rng.uniform(0.2, 0.9)))
    round_light = 0.45 + 0.75 * np.exp(-(((np.arange(34) - 11) / 7) ** 2))
    body[:, 20:440, :3] = np.clip(round_light[:, None, None] * np.asarray(colour), 0, 255)
    body[:, 20:440, 3] = 255
    body[13:21, 440:468] = (60, 60, 60, 255)
    body[:, 110:116, :3] = (190, 190, 195)
    return _padded(Image.fromarray(body))


def _coins(rng: np.random.Generator) -> Image.Image:
    layer = Image.new("RGBA", (260, 220))
    pen = ImageDraw.Draw(layer)
    for _ in range(int(rng.integers(1, 4))):
        x, y, r = float(rng.uniform(60, 200)), float(rng.uniform(60, 160)), float(rng.uniform(30, 48))
        tone = hsv(0.1, float(rng.uniform(0.05, 0.5)), 0.72)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=tone, outline=(90, 84, 70), width=4)
        pen.ellipse((x - r * 0.8, y - r * 0.8, x + r * 0.8, y + r * 0.8), outline=(125, 115, 95), width=2)
        pen.text((x, y), "5", font=font("DejaVuSerif-Bold", round(r)), fill=(110, 100, 82), anchor="mm")
    return layer


def _cup(rng: np.random.Generator) -> Image.Image:
    layer = Image.new("RGBA", (400, 330))
    pen = ImageDraw.Draw(layer)
    china = hsv(float(rng.random()), float(rng.uniform(0, 0.5)), float(rng.uniform(0.6, 0.97)))
    shade: Colour = (int(china[0] * 0.72), int(china[1] * 0.72), int(china[2] * 0.72))
    pen.rounded_rectangle((290, 140, 392, 186), 20, outline=shade, width=18)
    for inset, tone in (
        (0, china),
        (16, shade),
        (26, hsv(0.07, 0.75, float(rng.uniform(0.16, 0.4)))),
        (70, hsv(0.08, 0.7, 0.42)),
    ):
        pen.ellipse((5 + inset, 5 + inset, 325 - inset, 325 - inset), fill=tone)
    return layer.filter(ImageFilter.GaussianBlur(1.2))


def _card(rng: np.random.Generator) -> Image.Image:
    card = Image.new("RGBA", (330, 210))
    mask = Image.new("L", card.size)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, 329, 209), 18, fill=255)
    hue = float(rng.random())
    card.paste(
        Image.fromarray(gradient(330, 210, hsv(hue, 0.6, 0.35), hsv(hue + 0.1, 0.7, 0.8), 0.5)), (0, 0), mask
    )
    pen = ImageDraw.Draw(card)
    pen.rounded_rectangle((30, 74, 82, 112), 8, fill=(214, 190, 120))
    for group in range(4):
        pen.text((30 + 70 * group, 138), "0000", font=font("DejaVuSansMono", 22), fill=(235, 235, 235))
    return card


def _leaf(rng: np.random.Generator) -> Image.Image:
    layer = Image.new("RGBA", (300, 150))
    along = np.linspace(0, 1, 40)
    rim = [*zip(10 + 280 * along, 75 - 62 * np.sin(pi * along), strict=True)]
    rim += [*zip(10 + 280 * along[::-1], 75 + 62 * np.sin(pi * along[::-1]), strict=True)]
    pen = ImageDraw.Draw(layer)
    tone = float(rng.uniform(0.08, 0.33))
    pen.polygon(rim, fill=hsv(tone, 0.7, float(rng.uniform(0.3, 0.6))))
    pen.line((10, 75, 290, 75), fill=hsv(tone, 0.4, 0.75), width=4)
    for step in np.linspace(40, 230, 7):
        pen.line((step, 75, step + 34, 40), fill=hsv(tone, 0.45, 0.68), width=2)
        pen.line((step, 75, step + 34, 110), fill=hsv(tone, 0.45, 0.68), width=2)
    return layer


def _padded(thing: Image.Image) -> Image.Image:
    padded = Image.new("RGBA", (thing.width + 8, thing.height + 8))
    padded.paste(thing, (4, 4))
    return padded


def blurred_room(rng: np.random.Generator, width: int, height: int) -> Bytes:
    """Return what stands far behind a product, out of focus: walls, frames, lights; HxWx3."""
    hue = float(rng.random())
    small = gradient(
        width // 4, height // 4, hsv(hue, 0.15, 0.85), hsv(hue + 0.1, 0.3, 0.35), float(rng.uniform(0, tau))
    )
    image = Image.fromarray(small)
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(5, 14))):
        x, y = float(rng.uniform(-0.1, 0.95)) * image.width, float(rng.uniform(-0.2, 0.8)) * image.height
        w, h = float(rng.uniform(0.05, 0.3)) * image.width, float(rng.uniform(0.1, 0.6)) * image.height
        pen.rectangle(
            (x, y, x + w, y + h),
            fill=hsv(float(rng.random()), float(rng.uniform(0.05, 0.6)), float(rng.uniform(0.15, 0.9))),
        )
    image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(4, 12))))
    lights = ImageDraw.Draw(image, "RGBA")
    for _ in range(int(rng.integers(0, 9))):
        x, y, r = (
            float(rng.random()) * image.width,
            float(rng.random()) * image.height * 0.7,
            float(rng.uniform(4, 12)),
        )
        lights.ellipse((x - r, y - r, x + r, y + r), fill=(255, 236, 200, 70))
    return np.asarray(
        image.filter(ImageFilter.GaussianBlur(1)).resize((width, height), Image.Resampling.BICUBIC)
    )


def soft_field(
    rng: np.random.Generator, height: int, width: int, cells: float, low: float, high: float
) -> Floats:
    """Return a smooth field of HxW between `low` and `high`: uneven light."""
    coarse = smooth_noise(rng, 24, 32, (cells, cells))
    coarse = low + (high - low) * (coarse - coarse.min()) / max(float(np.ptp(coarse)), 1e-6)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
