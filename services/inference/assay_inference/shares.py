"""How much of something bounded one brand may hold, so that a flood leaves room for the others."""

from __future__ import annotations

from collections import Counter

ROOM = 4
"""A brand may hold so many times what is still free: alone it gets four fifths, two that flood get four
ninths each, and the last place is for whoever holds less than four (dynamic thresholds, Choudhury and Hahne
1998)."""


class Shares:
    """Counts what each brand holds of `limit` places."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: Counter[str] = Counter()
        self.total = 0

    def __getitem__(self, brand: str) -> int:
        return self._held[brand]

    def __len__(self) -> int:
        """The brands that hold something."""
        return len(self._held)

    def has_room(self, brand: str) -> bool:
        """Whether this brand may take one more place."""
        free = self._limit - self.total
        return free > 0 and self._held[brand] < ROOM * free

    def floods(self, brand: str) -> bool:
        """Whether it is this brand that leaves no room: it is alone, or holds twice what others do."""
        others = len(self._held.keys() - {brand})
        return self._held[brand] * others >= 2 * (self.total - self._held[brand])

    def add(self, brand: str) -> None:
        """Takes a place, whether there is room or not."""
        self._held[brand] += 1
        self.total += 1

    def remove(self, brand: str) -> None:
        """Gives a place back."""
        self._held[brand] -= 1
        self.total -= 1
        if not self._held[brand]:
            del self._held[brand]
