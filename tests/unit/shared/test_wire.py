"""Records as they travel."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from assay_shared.wire import NewTrainingRun, TrainingOptions


def test_an_option_of_former_versions_is_dropped_and_others_are_refused() -> None:
    stored = {"epochs": 20, "patience": 7}
    assert TrainingOptions.model_validate(stored) == TrainingOptions(epochs=20)
    body = NewTrainingRun.model_validate_json('{"options": {"epochs": 20, "patience": 7}}')
    assert body.options == TrainingOptions(epochs=20)
    assert "patience" not in body.model_dump_json()
    with pytest.raises(ValidationError, match="epoch"):
        TrainingOptions.model_validate({"epoch": 20})
    with pytest.raises(ValidationError):
        TrainingOptions.model_validate(["patience"])
