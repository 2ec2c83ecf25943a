from __future__ import annotations

import pytest

from assay_shared.aws import has_own_disk


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        *(
            ("ml.g5.xlarge", True),
            ("ml.g4dn.xlarge", True),
            ("ml.p4d.24xlarge", True),
            ("ml.m5d.large", True),
        ),
        *(("ml.p3.2xlarge", False), ("ml.m5.large", False), ("ml.c5.xlarge", False)),
    ],
)
def test_which_instances_encrypt_their_own_disks(kind: str, own: bool) -> None:
    assert has_own_disk(kind) is own
