"""What the keys of this box may do in AWS, asked of IAM: for actions that cannot be tried, for they start or
cost something."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from assay_shared.aws import make_client

ASSUMED = re.compile(r"arn:([a-z-]+):sts::(\d{12}):assumed-role/([^/]+)/.+")


@dataclass(frozen=True)
class Right:
    """Actions on a resource, by its ARN; `context`: what IAM's conditions look at, by key."""

    actions: tuple[str, ...]
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Denied:
    """An action that is not allowed, and IAM's word for why: `implicitDeny` where no policy allows it."""

    action: str
    resource: str
    decision: str


def find_denied(rights: Sequence[Right], region: str) -> Iterator[Denied]:
    """Those of the rights that these keys lack (IAM, SimulatePrincipalPolicy); none for the account's root,
    whom no policy binds. Raises what boto3 raises, also where IAM may not be asked."""
    principal = read_principal(make_client("sts", region).get_caller_identity()["Arn"])
    if principal.endswith(":root"):
        return
    iam = make_client("iam", region)
    for right in rights:
        context = [
            {"ContextKeyName": name, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for name, value in right.context.items()
        ]
        answer = iam.simulate_principal_policy(
            PolicySourceArn=principal,
            ActionNames=list(right.actions),
            ResourceArns=[right.resource],
            ContextEntries=context,
        )
        for one in answer["EvaluationResults"]:
            if one["EvalDecision"] != "allowed":
                yield Denied(one["EvalActionName"], right.resource, one["EvalDecision"])


def read_principal(arn: str) -> str:
    """Whose policies count for a caller: of a role's session that is the role. A role with a path is not
    found by that, for a session does not tell it."""
    session = ASSUMED.fullmatch(arn)
    return f"arn:{session[1]}:iam::{session[2]}:role/{session[3]}" if session else arn
