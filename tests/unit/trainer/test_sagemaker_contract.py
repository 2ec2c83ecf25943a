"""Lines of a job's log: events, metrics, and all the rest."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_shared.wire import Progress
from assay_trainer.job import LogEvent, ProgressEvent, StateEvent
from assay_trainer.sagemaker_contract import (
    EVENT_MARK,
    METRIC_DEFINITIONS,
    METRICS,
    JobEvent,
    JobInputInvalid,
    format_event,
    format_metrics,
    read_hyperparameters,
    read_line,
)

NUMBERS = st.floats(-1e6, 1e6)


@given(
    st.one_of(
        st.builds(LogEvent, line=st.text(max_size=50)),
        st.builds(StateEvent, state=st.sampled_from(["preparing", "training", "evaluating"])),
        st.builds(
            ProgressEvent,
            progress=st.builds(
                Progress,
                epoch=st.integers(0, 1000),
                losses=st.dictionaries(st.text(max_size=5), NUMBERS, max_size=3),
                map50=st.none() | NUMBERS,
            ),
        ),
    )
)
def test_an_event_is_one_line_and_comes_back(event: JobEvent) -> None:
    line = format_event(event)
    assert not set(line) & {"\n", "\r"}
    assert read_line(line) == event


@given(st.text(max_size=80))
def test_any_other_line_is_for_people(line: str) -> None:
    assert read_line(line) == LogEvent(line=line)
    damaged = EVENT_MARK + line
    assert read_line(damaged) == LogEvent(line=damaged)


@given(st.dictionaries(st.sampled_from(METRICS), NUMBERS, min_size=1))
def test_the_definitions_read_what_is_written(metrics: dict[str, float]) -> None:
    line = format_metrics(metrics)
    read = {
        one["Name"]: float(found[1])
        for one in METRIC_DEFINITIONS
        if (found := re.search(one["Regex"], line)) is not None
    }
    assert read == pytest.approx(metrics, rel=1e-5, abs=1e-9)


def test_what_is_none_is_left_out_and_no_name_is_part_of_another() -> None:
    assert format_metrics({"map50": None, "epoch": 3}) == "epoch=3;"
    assert not re.search(METRIC_DEFINITIONS[0]["Regex"], "my_epoch=3;")


@pytest.mark.parametrize("given_", [{}, {"run": "r", "brand": "b", "version": "v", "epochs": "0"}])
def test_hyperparameters_that_make_no_run_are_refused(given_: dict[str, str]) -> None:
    with pytest.raises(JobInputInvalid, match="Hyperparameter"):
        read_hyperparameters(given_)
