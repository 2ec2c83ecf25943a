"""Rectangles in pixels of the upright picture: (left, top, right, bottom)."""

from __future__ import annotations

from assay_shared.wire import Box

Rectangle = tuple[float, float, float, float]


def centre(box: Rectangle) -> tuple[float, float]:
    """The middle of a rectangle."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def area(box: Rectangle) -> float:
    """Square pixels of a rectangle; 0 for an empty one."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def grow(box: Rectangle, share: float) -> Rectangle:
    """A rectangle grown on each side by a share of its width and height."""
    across, down = (box[2] - box[0]) * share, (box[3] - box[1]) * share
    return box[0] - across, box[1] - down, box[2] + across, box[3] + down


def holds_centre(outer: Rectangle, inner: Rectangle) -> bool:
    """Whether the middle of `inner` lies in `outer`."""
    x, y = centre(inner)
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]


def holds(outer: Rectangle, inner: Rectangle) -> bool:
    """Whether all of `inner` lies in `outer`."""
    return outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def share_inside(inner: Rectangle, outer: Rectangle) -> float:
    """Which share of `inner` lies in `outer`; 0 for an empty rectangle."""
    across = min(inner[2], outer[2]) - max(inner[0], outer[0])
    down = min(inner[3], outer[3]) - max(inner[1], outer[1])
    own = area(inner)
    return max(0.0, across) * max(0.0, down) / own if own > 0 else 0.0


def cut_off_sides(box: Rectangle, width: int, height: int, margin: float = 0.005) -> list[str]:
    """The sides of the picture that a box touches, within a share `margin` of the picture's size."""
    sides = {
        "left": box[0] <= width * margin,
        "top": box[1] <= height * margin,
        "right": box[2] >= width * (1 - margin),
        "bottom": box[3] >= height * (1 - margin),
    }
    return [side for side, touched in sides.items() if touched]


def to_wire(box: Rectangle) -> Box:
    """The wire's form of a rectangle, to a tenth of a pixel."""
    left, top, right, bottom = (round(value, 1) for value in box)
    return Box(left=left, top=top, width=round(right - left, 1), height=round(bottom - top, 1))
