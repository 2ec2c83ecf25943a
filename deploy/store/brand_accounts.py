"""A brand's own S3 credentials at MinIO, for bulk uploads into `uploads/{brand}/`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from pydantic import SecretStr, TypeAdapter, ValidationError

from assay_shared.errors import InvalidRequest, NotFound
from assay_shared.keys import LIVE, UPLOADS, brand_key
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore
from assay_shared.wire import Slug
from deploy.store.accounts import Accounts
from deploy.store.policies import brand_policy

ACCESS_KEY = re.compile(r"([a-z0-9-]{1,63})\.[0-9a-f]{8}")
"""`{brand}.{8 hex digits}`: no slug has a dot, so the brand is what stands before it, and no name of a
service's account (`assay-registry`) can look like one. MinIO allows all but `=` and `,`, at any length."""

_SLUG: TypeAdapter[str] = TypeAdapter(Slug)


@dataclass(frozen=True)
class BrandCredentials:
    """What a brand puts into its S3 client; shown once. `bucket` is what the store calls it."""

    brand: str
    access_key: str
    secret_key: str
    bucket: str
    prefix: str


def add_credentials(
    settings: StoreSettings, master: SecretStr, brand: str, *, listing: bool
) -> BrandCredentials:
    """Makes new credentials for a brand. Raises InvalidRequest for a bad slug, NotFound for no such brand."""
    check_slug(brand)
    if ObjectStore(settings).stat(LIVE, brand_key(brand)) is None:
        raise NotFound(
            f"There is no brand {brand!r}: {LIVE}/{brand_key(brand)}, which the registry writes for each "
            "brand, is missing. Create the brand first."
        )
    accounts = Accounts(settings)
    taken = set(accounts.names())
    access_key = next(key for key in iter(lambda: f"{brand}.{secrets.token_hex(4)}", "") if key not in taken)
    restore_credentials(accounts, master, access_key, listing=listing)
    secret, bucket = derive_secret(master, access_key), settings.name_bucket(UPLOADS)
    return BrandCredentials(brand, access_key, secret, bucket, f"{brand}/")


def restore_credentials(
    accounts: Accounts, master: SecretStr, access_key: str, *, listing: bool
) -> list[str]:
    """Makes the account of this access key, with the secret it always has; a line for each change."""
    brand = brand_of(access_key)
    secret = SecretStr(derive_secret(master, access_key))
    policy = brand_policy(brand, listing=listing, bucket_prefix=accounts.bucket_prefix)
    return accounts.ensure(access_key, secret, policy_name(brand), policy)


def list_credentials(accounts: Accounts, brand: str | None = None) -> list[str]:
    """The access keys of all brands, or of one, sorted. Raises InvalidRequest for a bad slug."""
    if brand is not None:
        check_slug(brand)
    keys = [name for name in accounts.names() if ACCESS_KEY.fullmatch(name)]
    return [key for key in keys if brand in (None, brand_of(key))]


def remove_credentials(accounts: Accounts, access_key: str) -> None:
    """Removes a brand's credentials at once. Raises InvalidRequest for another kind of key, NotFound."""
    brand = brand_of(access_key)
    if access_key not in accounts.names():
        raise NotFound(f"There are no credentials {access_key!r}; `brand-credentials list` shows them all")
    accounts.remove(access_key, policy_name(brand))


def update_policies(accounts: Accounts, *, listing: bool) -> list[str]:
    """Brings the policies of all brands that have credentials up to date; a line for each change."""
    brands = sorted({brand_of(key) for key in list_credentials(accounts)})
    prefix = accounts.bucket_prefix
    policies = {brand: brand_policy(brand, listing=listing, bucket_prefix=prefix) for brand in brands}
    return [
        line
        for brand, policy in policies.items()
        for line in accounts.ensure_policy(policy_name(brand), policy)
    ]


def derive_secret(master: SecretStr, access_key: str) -> str:
    """The secret of an access key, 40 characters, MinIO's limit: nothing secret need be kept, and a restore
    makes the same accounts again."""
    digest = hmac.digest(master.get_secret_value().encode(), access_key.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode()[:40]


def brand_of(access_key: str) -> str:
    """The brand of an access key. Raises InvalidRequest when it is none of a brand's."""
    found = ACCESS_KEY.fullmatch(access_key)
    if found is None:
        raise InvalidRequest(f"{access_key!r} is no access key of a brand: those are brand.xxxxxxxx")
    return found[1]


def check_slug(brand: str) -> None:
    """Raises InvalidRequest unless this can be a brand's slug, as the registry has it."""
    try:
        _SLUG.validate_python(brand)
    except ValidationError as error:
        raise InvalidRequest(
            f"{brand!r} is no slug of a brand: 1 to 63 of a-z, 0-9 and -, with no - at either end"
        ) from error


def policy_name(brand: str) -> str:
    """The name of a brand's policy; no service's policy has a dot."""
    return f"brand.{brand}"
