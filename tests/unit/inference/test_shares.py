from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_inference.admission import Admission
from assay_inference.errors import BrandFlood, Busy
from assay_inference.shares import Shares


@given(limit=st.integers(1, 200), arrivals=st.lists(st.sampled_from("abcdefgh"), max_size=400))
def test_a_flood_never_has_the_last_place(limit: int, arrivals: list[str]) -> None:
    shares = Shares(limit)
    for brand in arrivals:
        if shares.has_room(brand):
            shares.add(brand)
            assert shares.total < limit or shares[brand] <= 4
    assert shares.total <= limit


@given(limit=st.integers(10, 200), floods=st.integers(1, 2))
def test_beside_one_flood_or_two_there_is_room(limit: int, floods: int) -> None:
    shares = Shares(limit)
    for _ in range(limit):
        for brand in range(floods):
            if shares.has_room(str(brand)):
                shares.add(str(brand))
    assert shares.has_room("quiet")


def test_one_brand_alone_may_have_most() -> None:
    shares = Shares(100)
    while shares.has_room("a"):
        shares.add("a")
    assert shares["a"] == 80
    assert shares.floods("a")
    assert not shares.floods("b")


def test_too_many_of_all_alike_are_no_flood_of_one() -> None:
    shares = Shares(100)
    for place in range(60):
        shares.add("abcdef"[place % 6])
    for brand in "aab":
        shares.add(brand)
    assert not any(shares.floods(brand) for brand in "abcdefg")
    for _ in range(10):
        shares.add("a")
    assert [brand for brand in "abcdefg" if shares.floods(brand)] == ["a"]


@given(st.lists(st.sampled_from("abc"), max_size=100))
def test_what_is_taken_and_given_back_is_as_before(brands: list[str]) -> None:
    shares = Shares(1000)
    shares.add("a")
    for brand in brands:
        shares.add(brand)
    for brand in reversed(brands):
        shares.remove(brand)
    assert (shares.total, shares["a"], len(shares)) == (1, 1, 1)


def test_pictures_in_work_are_refused_by_who_fills_the_place() -> None:
    admission = Admission(10, lambda: 7.2)
    held = []
    for _ in range(8):
        held.append(admission.admit("flood"))
        held[-1].__enter__()
    with pytest.raises(BrandFlood) as refused, admission.admit("flood"):
        pass
    assert refused.value.retry_after == 8
    with admission.admit("") as place:
        with pytest.raises(BrandFlood):
            place.belongs_to("flood")
        place.belongs_to("quiet")
        with admission.admit("third"), pytest.raises(Busy), admission.admit("fourth"):
            pass
    for one in held:
        one.__exit__(None, None, None)
    with admission.admit("flood"):
        pass
