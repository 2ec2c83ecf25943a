"""Printed figures that families share: medals, badges, ribbons, rules, frames; all as RGBA pictures."""

from math import cos, pi, sin, tau

import numpy as np
from PIL import Image, ImageDraw

from bench.brands.lettering import SANS_BOLD
from deploy.local.photos.ink import Colour, draw_layer, fit_text, font


def draw_medal(size: int, ink: Colour, paper: Colour, words: str, middle: str, tips: int) -> Image.Image:
    """Draw a round medal with a toothed edge, words around and one word in the middle."""

    def draw(pen: ImageDraw.ImageDraw, f: float) -> None:
        r = size * f / 2
        edge = [
            (r + r * k * cos(t), r + r * k * sin(t))
            for n, t in enumerate(np.linspace(0, tau, 2 * tips, endpoint=False))
            for k in [0.99 if n % 2 else 0.92]
        ]
        pen.polygon(edge, fill=ink)
        for share, width in ((0.86, 0.025), (0.56, 0.02)):
            pen.ellipse(
                (r * (1 - share), r * (1 - share), r * (1 + share), r * (1 + share)),
                outline=paper,
                width=max(1, round(r * width)),
            )

    medal = draw_layer(size, size, draw, oversample=3)
    place_around(medal, words, 0.71, paper, round(size * 0.1))
    face = fit_text(middle, SANS_BOLD, round(size * 0.46), size // 4)
    ImageDraw.Draw(medal).text((size / 2, size / 2), middle, font=face, fill=paper, anchor="mm")
    return medal


def place_around(picture: Image.Image, words: str, share: float, ink: Colour, size: int) -> None:
    """Write words once around the middle of a square picture, at `share` of its half width, in place."""
    middle = picture.width / 2
    face = font(SANS_BOLD, size)
    for number, letter in enumerate(words):
        turn = tau * number / len(words)
        stamp = Image.new("L", (2 * size, 2 * size))
        ImageDraw.Draw(stamp).text((size, size), letter, font=face, fill=255, anchor="mm")
        stamp = stamp.rotate(-turn * 360 / tau, Image.Resampling.BICUBIC)
        x, y = middle + middle * share * sin(turn), middle - middle * share * cos(turn)
        picture.paste(ink, (round(x - size), round(y - size)), stamp)


def draw_burst(width: int, height: int, fill: Colour, edge: Colour, words: str, tips: int) -> Image.Image:
    """Draw a star with words on it, as on things that are new or improved."""

    def draw(pen: ImageDraw.ImageDraw, f: float) -> None:
        w, h = width * f / 2, height * f / 2
        for share, tone in ((1.0, edge), (0.93, fill)):
            points = [
                (w + w * share * k * cos(t), h + h * share * k * sin(t))
                for n, t in enumerate(np.linspace(0, tau, 2 * tips, endpoint=False))
                for k in [1.0 if n % 2 else 0.8]
            ]
            pen.polygon(points, fill=tone)

    burst = draw_layer(width, height, draw)
    rows = words.split("\n")
    for row, text in enumerate(rows):
        face = fit_text(text, SANS_BOLD, round(width * 0.62), round(height * 0.5 / len(rows)))
        at = (width / 2, height * (0.5 + (row - (len(rows) - 1) / 2) * 0.5 / len(rows)))
        ImageDraw.Draw(burst).text(at, text, font=face, fill=edge, anchor="mm")
    return burst


def draw_ribbon(width: int, height: int, ink: Colour, shade: Colour) -> Image.Image:
    """Draw a band with folded, notched ends."""

    def draw(pen: ImageDraw.ImageDraw, f: float) -> None:
        w, h = width * f, height * f
        notched = ((0.0, 0.25), (0.14, 0.25), (0.14, 1.0), (0.0, 1.0), (0.05, 0.62))
        pen.polygon([(w * x, h * y) for x, y in notched], fill=shade)
        pen.polygon([(w * (1 - x), h * y) for x, y in notched], fill=shade)
        pen.rectangle((w * 0.08, 0, w * 0.92, h * 0.78), fill=ink)

    return draw_layer(width, height, draw)


def draw_frame(width: int, height: int, ink: Colour, lines: tuple[float, ...], corner: float) -> Image.Image:
    """Draw nested frames: each of `lines` is a distance from the edge, in thousandths of the width."""

    def draw(pen: ImageDraw.ImageDraw, f: float) -> None:
        w, h = width * f, height * f
        for number, line in enumerate(lines):
            inset = w * line / 1000
            pen.rounded_rectangle(
                (inset, inset, w - inset - 1, h - inset - 1),
                max(0.0, corner * w - inset),
                outline=ink,
                width=max(2, round(w * (0.005 if number == 0 else 0.002))),
            )

    return draw_layer(width, height, draw)


def draw_rosette(size: int, ink: Colour, petals: int, turns: int) -> Image.Image:
    """Draw a guilloche rosette of thin lines."""

    def draw(pen: ImageDraw.ImageDraw, f: float) -> None:
        r = size * f / 2
        t = np.linspace(0, tau, 500)
        for ring in range(turns):
            reach = r * (0.97 - 0.5 * ring / turns) * (0.82 + 0.18 * np.cos(petals * t + ring * pi / turns))
            pen.line(
                [*zip(r + reach * np.cos(t), r + reach * np.sin(t), strict=True)],
                fill=ink,
                width=max(2, round(f * size * 0.006)),
            )

    return draw_layer(size, size, draw)


def draw_rule(width: int, height: int, ink: Colour) -> Image.Image:
    """Draw a thin rule with a lozenge in its middle."""

    def draw(pen: ImageDraw.ImageDraw, f: float) -> None:
        w, h = width * f, height * f
        pen.rectangle((0, h * 0.46, w * 0.44, h * 0.54), fill=ink)
        pen.rectangle((w * 0.56, h * 0.46, w, h * 0.54), fill=ink)
        pen.polygon([(w / 2 - h / 2, h / 2), (w / 2, 0), (w / 2 + h / 2, h / 2), (w / 2, h)], fill=ink)

    return draw_layer(width, height, draw)
