"""make sagemaker-down, the training half: stops every training job of Assay's that runs.

Their runs at home are not lost: they are marked as the jobs end, and can be started again.
"""

from __future__ import annotations

import sys

from assay_shared.aws import AwsRefused, AwsSettings, make_client, naming, read_settings
from assay_shared.errors import AssayError

JOB_PREFIX = "assay-"


def stop_jobs(settings: AwsSettings) -> list[str]:
    """Stops the jobs; gives their names. Raises AwsUnavailable and AwsDenied."""
    sagemaker = make_client("sagemaker", settings.region)
    stopped = []
    with naming("listing training jobs"):
        pages = sagemaker.get_paginator("list_training_jobs").paginate(
            NameContains=JOB_PREFIX, StatusEquals="InProgress"
        )
        names = [one["TrainingJobName"] for page in pages for one in page["TrainingJobSummaries"]]
    for name in names:
        if not name.startswith(JOB_PREFIX):
            continue
        try:
            with naming(f"stopping the training job {name}"):
                sagemaker.stop_training_job(TrainingJobName=name)
        except AwsRefused:  # it has ended meanwhile
            continue
        stopped.append(name)
    return stopped


def main() -> int:
    """Stops all, and says which."""
    try:
        stopped = stop_jobs(read_settings(AwsSettings))
    except AssayError as error:
        print(f"assay: {error.detail}", file=sys.stderr)
        return 1
    for name in stopped:
        print(f"training job {name} stopped")
    print("no training job runs any more" if stopped else "no training job runs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
