"""Prints the password for `docker login` at ECR, on standard output alone, for push.sh."""

from __future__ import annotations

import base64
import sys

from assay_shared.aws import AwsSettings, make_client, naming, read_settings
from assay_shared.errors import AssayError


def main() -> int:
    """Prints it; 1 after a line on standard error."""
    try:
        settings = read_settings(AwsSettings)
        with naming("asking ECR for a password"):
            answer = make_client("ecr", settings.region).get_authorization_token()
    except AssayError as error:
        print(f"assay: {error.detail}", file=sys.stderr)
        return 1
    token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
    print(token.partition(":")[2])
    return 0


if __name__ == "__main__":
    sys.exit(main())
