"""How many pictures are in work at once, and how many of them one brand may have.

Memory is bounded so, and nobody waits unseen. Who sends is known before the picture is read, by the key;
whose picture it is as soon as the form names the brand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import Gauge

from assay_inference.errors import BrandFlood, Busy
from assay_inference.shares import Shares

IN_WORK = Gauge("assay_verifications_in_work", "pictures that are being verified now")


class Admission:
    """Lets pictures in up to `limit`; `wait_seconds` says how long a refused one should wait, if known."""

    def __init__(self, limit: int, wait_seconds: Callable[[], float | None]) -> None:
        self._shares = Shares(limit)
        self._wait_seconds = wait_seconds

    @contextmanager
    def admit(self, brand: str) -> Iterator[Place]:
        """Counts a picture of this brand as long as the block lasts. Raises BrandFlood and Busy where there
        is no room for it."""
        self._refuse_if_full(brand)
        place = Place(self, brand)
        self._count(brand)
        try:
            yield place
        finally:
            self._forget(place.brand)

    def move(self, place: Place, brand: str) -> None:
        """Counts a picture for another brand from now on. Raises as `admit`, and changes nothing then."""
        self._forget(place.brand)
        try:
            self._refuse_if_full(brand)
            place.brand = brand
        finally:
            self._count(place.brand)

    def _refuse_if_full(self, brand: str) -> None:
        shares = self._shares
        if shares.has_room(brand):
            return
        if shares.floods(brand):
            raise BrandFlood(
                f"{shares[brand]} pictures of one brand or caller are being verified; send more later"
            ).after(self._wait_seconds())
        raise Busy(f"{shares.total} pictures are being verified; send again soon").after(self._wait_seconds())

    def _count(self, brand: str) -> None:
        self._shares.add(brand)
        IN_WORK.set(self._shares.total)

    def _forget(self, brand: str) -> None:
        self._shares.remove(brand)
        IN_WORK.set(self._shares.total)


class Place:
    """One picture in work, and the brand that it counts for."""

    def __init__(self, admission: Admission, brand: str) -> None:
        self._admission = admission
        self.brand = brand

    def belongs_to(self, brand: str) -> None:
        """The picture is of this brand. Raises BrandFlood and Busy where the brand has too many in work."""
        if brand != self.brand:
            self._admission.move(self, brand)
