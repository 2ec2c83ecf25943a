"""API keys: how they are made, hashed, and what they allow. Only hashes are ever stored."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from enum import StrEnum

from assay_shared.errors import NotAllowed, NotAuthenticated, NotFound

COOKIE = "assay_key"
"""The pages keep the key in this cookie (HttpOnly, SameSite=Strict)."""


class Scope(StrEnum):
    """What a brand's key may do."""

    UPLOAD = "upload"
    TRAIN = "train"
    MANAGE = "manage"
    VERIFY = "verify"


@dataclass(frozen=True)
class Principal:
    """Who calls: the admin, or a key of one brand."""

    admin: bool = False
    brand: str | None = None
    key_id: str | None = None
    scopes: frozenset[Scope] = field(default_factory=frozenset)

    def require(self, brand: str, scope: Scope | None = None) -> None:
        """Lets the caller act on a brand.

        With a scope: the key must carry it. Without: reading, for every key but those that may only verify,
        which end up in apps. Raises NotFound for another brand's things (they do not exist for this caller)
        and NotAllowed when the scope is missing.
        """
        self.require_brand(brand)
        if self.admin:
            return
        if scope is None and self.scopes <= {Scope.VERIFY}:
            raise NotAllowed("This key may verify and read verifications, and nothing else")
        if scope is not None and scope not in self.scopes:
            raise NotAllowed(
                f"This key lacks the scope {scope.value!r}; it has {sorted(s.value for s in self.scopes)}"
            )

    def require_brand(self, brand: str) -> None:
        """Raises NotFound unless the caller is the admin or holds a key of the brand."""
        if not self.admin and self.brand != brand:
            raise NotFound(f"There is no brand {brand!r} that this key may see")

    def require_admin(self) -> None:
        """Raises NotAllowed unless the caller holds the admin key."""
        if not self.admin:
            raise NotAllowed("Only the admin key may do this")


def make_key() -> str:
    """A new API key: 256 random bits, recognisable by its prefix."""
    return f"assay_{secrets.token_urlsafe(32)}"


def hash_key(key: str) -> str:
    """SHA-256 of a key in hex. Keys are random, so a slow hash would add nothing."""
    return hashlib.sha256(key.encode()).hexdigest()


def same_hash(left: str, right: str) -> bool:
    """Compares two hashes in constant time."""
    return hmac.compare_digest(left, right)


def read_key(authorization: str | None, cookie: str | None = None) -> str | None:
    """The key of a request: from `Authorization: Bearer KEY`, else from the cookie, else None.

    Raises NotAuthenticated when the header is there but of another form.
    """
    if authorization:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise NotAuthenticated("Send the key as `Authorization: Bearer KEY`")
        return key.strip()
    return cookie or None
