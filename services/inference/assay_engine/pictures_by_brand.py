"""The pictures of one request by brand and version, and what becomes of each."""

from __future__ import annotations

from collections.abc import Sequence

from assay_engine.framing import NOTHING, Found, Item, Pixels
from assay_engine.popularity import Key
from assay_shared.errors import AssayError, InvalidRequest


class PicturesByBrand:
    """Items by their places in a request; `results` has one for each place, NOTHING until it is answered."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items
        self._places: dict[Key, list[int]] = {}
        for place, item in enumerate(items):
            self._places.setdefault((item.brand, item.version), []).append(place)
        self.results: list[Found | AssayError] = [NOTHING] * len(items)

    @property
    def keys(self) -> list[Key]:
        """Brands and versions, in the order of their first items."""
        return list(self._places)

    def are_shown(self, key: Key) -> bool:
        """Whether there are pixels of this brand; a picture of side 0 only announces some."""
        return any(self._items[place].pixels.size for place in self._places[key])

    def find_fit(self, key: Key, side: int) -> list[int]:
        """The places of a brand's pictures that are (side, side, 3); those of other sides get their error."""
        fit = []
        for place in self._places[key]:
            own = self._items[place].pixels.shape[0]
            if own == side:
                fit.append(place)
            elif own:
                self.results[place] = InvalidRequest(
                    f"Version {key[1]!r} of brand {key[0]!r} takes pictures of side {side}, not {own}"
                )
        return fit

    def at(self, places: Sequence[int]) -> list[Pixels]:
        """The pixels at these places."""
        return [self._items[place].pixels for place in places]

    def answer(self, places: Sequence[int], found: Sequence[Found]) -> None:
        """What was found in the pictures at these places. Raises ValueError where that is not one each."""
        for place, one in zip(places, found, strict=True):
            self.results[place] = one

    def refuse(self, key: Key, error: AssayError, places: Sequence[int] | None = None) -> None:
        """What went wrong with a brand's pictures; `places`: with these alone."""
        # Its traceback holds the frames, and they the detector that could not compute: no memory would be
        # freed.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        for place in self._places[key] if places is None else places:
            self.results[place] = error
