"""Small photos of generated brands, made once for all tests."""

from collections.abc import Callable
from functools import lru_cache

import pytest

from bench.brands.catalog import invent
from bench.brands.photo import Scene, Shot, shoot
from bench.brands.product import Product

LONG_SIDE = 640


@lru_cache(maxsize=16)
def invent_once(slug: str) -> Product:
    return invent(slug)


@lru_cache(maxsize=64)
def shoot_once(slug: str, scene: Scene, fake: str = "") -> Shot:
    return shoot(invent_once(slug), scene, LONG_SIDE, fake)


@pytest.fixture
def take() -> Callable[..., Shot]:
    """Take a small photo: brand, scene, kind of fake."""
    return shoot_once


@pytest.fixture
def product() -> Callable[[str], Product]:
    """Invent a brand's product."""
    return invent_once
