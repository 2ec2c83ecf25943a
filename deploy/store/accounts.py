"""MinIO's accounts: a user, its secret, and one policy."""

from __future__ import annotations

import json
from typing import Any

from minio import MinioAdmin
from pydantic import SecretStr

from assay_shared.settings import StoreSettings
from deploy.store.clients import accepts, connect_admin, explained
from deploy.store.policies import Policy, same_policy


class Accounts:
    """The accounts as MinIO has them now. Calls raise StoreUnavailable when it refuses or is away."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self.bucket_prefix = settings.bucket_prefix
        self._admin: MinioAdmin = connect_admin(settings)
        with explained("Reading MinIO's accounts"):
            self._users: dict[str, dict[str, Any]] = json.loads(self._admin.user_list())
            self._policies: dict[str, Any] = json.loads(self._admin.policy_list())

    def names(self) -> list[str]:
        """The access keys of all users, sorted."""
        return sorted(self._users)

    def is_enabled(self, user: str) -> bool:
        """Whether this user may sign in."""
        return self._users[user].get("status") == "enabled"

    def ensure(self, user: str, secret: SecretStr, policy_name: str, policy: Policy) -> list[str]:
        """Makes the account so, with this policy and no other; gives a line for each thing it changed."""
        done = self.ensure_policy(policy_name, policy)
        with explained(f"Setting up account {user}"):
            known = self._users.get(user)
            if known is None or not self._has_secret(user, secret):
                self._admin.user_add(user, secret.get_secret_value())
                done.append(f"account {user}: {'secret changed' if known else 'made'}")
            if known is None or known.get("policyName") != policy_name:
                self._admin.policy_set(policy_name, user=user)
                done.append(f"account {user}: policy {policy_name} attached")
        self._users[user] = {"policyName": policy_name, "status": "enabled"}
        return done

    def ensure_policy(self, name: str, policy: Policy) -> list[str]:
        """Makes the policy so, for all accounts that have it; gives a line when it changed."""
        known = self._policies.get(name)
        if known is not None and same_policy(known, policy):
            return []
        with explained(f"Writing policy {name}"):
            self._admin.policy_add(name, policy=policy)
        self._policies[name] = policy
        return [f"policy {name}: {'written' if known is None else 'changed'}"]

    def remove(self, user: str, policy_name: str) -> None:
        """Removes the user, with every key made from it, and its policy unless another user has it."""
        with explained(f"Removing account {user}"):
            self._admin.user_remove(user)
            del self._users[user]
            if all(other.get("policyName") != policy_name for other in self._users.values()):
                self._admin.policy_remove(policy_name)
                self._policies.pop(policy_name, None)

    def _has_secret(self, user: str, secret: SecretStr) -> bool:
        # MinIO tells no secrets: signing in is how to ask. A disabled user is refused, and set again.
        return accepts(self._settings.model_copy(update={"access_key": user, "secret_key": secret}))
