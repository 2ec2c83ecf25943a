"""Who may have which brand's pictures judged."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from assay_inference.snapshot import LiveBrand, Snapshot
from assay_shared.auth import COOKIE, hash_key, read_key, same_hash
from assay_shared.errors import NotAuthenticated, NotFound


@dataclass(frozen=True)
class Caller:
    """`admin`: holds the admin key; `brand`: whose verify key it is; neither: sent no key."""

    admin: bool = False
    brand: str | None = None

    def may_verify(self, brand: LiveBrand) -> bool:
        """Whether this caller may have pictures of the brand judged."""
        slug = brand.published.slug
        return self.admin or self.brand == slug or brand.published.public_verification


def identify(request: Request, snapshot: Snapshot, admin_key_sha256: str) -> Caller:
    """Who calls. Raises NotAuthenticated for a key that is no verify key of any brand.

    A cookie with such a key counts as none: the pages keep keys there that may do other things, and their
    owners may still use what is public.
    """
    header = request.headers.get("authorization")
    key = read_key(header, request.cookies.get(COOKIE))
    if key is None:
        return Caller()
    hashed = hash_key(key)
    if same_hash(hashed, admin_key_sha256):
        return Caller(admin=True)
    owner = snapshot.by_key.get(hashed)
    if owner is not None:
        return Caller(brand=owner)
    if header:
        raise NotAuthenticated("This key is unknown, revoked, or has not the scope `verify`")
    return Caller()


def choose_brand(slug: str, snapshot: Snapshot, caller: Caller) -> LiveBrand:
    """The brand that the caller named.

    Raises NotFound when it does not exist for this caller, and NotAuthenticated, whether it exists or not,
    when the caller sent no key and the brand is not public.
    """
    brand = snapshot.brands.get(slug)
    if brand is not None and caller.may_verify(brand):
        return brand
    if caller == Caller():
        raise NotAuthenticated(f"Brand {slug[:63]!r} cannot be verified without a key")
    raise NotFound(f"There is no brand {slug[:63]!r} that this key may see")
