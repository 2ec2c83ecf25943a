from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_inference.engine_hosts import Host, Hosts, rank

HOSTS = st.dictionaries(
    st.from_regex(r"http://[a-z]{1,8}:80[0-9]{2}", fullmatch=True), st.integers(1, 16), min_size=1, max_size=8
)
BRANDS = st.lists(st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True), min_size=1, max_size=50)


@given(slots=HOSTS, brand=st.text(max_size=40))
def test_a_brand_ranks_every_host_once_whatever_their_order(slots: dict[str, int], brand: str) -> None:
    order = rank(brand, slots)
    assert sorted(order) == sorted(slots)
    assert rank(brand, dict(reversed(slots.items()))) == order


@given(slots=HOSTS.filter(lambda slots: len(slots) > 1), brands=BRANDS, data=st.data())
def test_only_the_brands_of_a_host_that_goes_away_move(
    slots: dict[str, int], brands: list[str], data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(sorted(slots)))
    left = {host: number for host, number in slots.items() if host != gone}
    for brand in brands:
        before = rank(brand, slots)
        assert rank(brand, left) == [host for host in before if host != gone]


@given(slots=HOSTS, brands=BRANDS, more=st.integers(1, 16))
def test_more_workers_only_draw_brands_towards_them(
    slots: dict[str, int], brands: list[str], more: int
) -> None:
    grown = min(slots)
    for brand in brands:
        before, after = rank(brand, slots), rank(brand, {**slots, grown: slots[grown] + more})
        assert after.index(grown) <= before.index(grown)
        assert [host for host in after if host != grown] == [host for host in before if host != grown]


def test_brands_are_shared_by_the_number_of_workers() -> None:
    slots = {"http://a": 1, "http://b": 1, "http://c": 2}
    shares = Counter(rank(f"brand-{number}", slots)[0] for number in range(4000))
    # Four standard deviations of a share of 1,000 or 2,000 in 4,000.
    assert shares["http://a"] == pytest.approx(1000, abs=110)
    assert shares["http://b"] == pytest.approx(1000, abs=110)
    assert shares["http://c"] == pytest.approx(2000, abs=127)


def test_lost_hosts_are_passed_over_until_nobody_is_left() -> None:
    hosts = Hosts([Host(f"http://host-{number}", 1, 1.0) for number in range(3)])
    first, second, third = hosts.order_for("acme")
    assert hosts.order_for("acme", avoid=first.url) == [second, third]
    first.lose("test")
    assert hosts.order_for("acme") == [second, third]
    assert hosts.others_live(second)
    second.lose("test")
    assert hosts.order_for("acme", avoid=third.url) == [third]
    assert not hosts.others_live(third)
    third.lose("test")
    assert hosts.order_for("acme") == [first, second, third]
    second.hear()
    assert hosts.order_for("acme") == [second]


def test_a_lost_host_is_no_longer_known_to_be_warm() -> None:
    host = Host("http://host", 1, 1.0)
    for warmth in (host.answered, host.told):
        warmth.remember(("acme", "v1"))
        assert warmth.knows(("acme", "v1"))
        assert not warmth.knows(("acme", "v2"))
    host.lose("test")
    assert not host.answered.knows(("acme", "v1"))
    assert not host.told.knows(("acme", "v1"))


def test_silence_counts_from_the_last_answer_while_something_is_in_hand() -> None:
    async def run() -> None:
        host = Host("http://host", 2, silence_seconds=0.01)
        host.pace.note(1, 0.001)
        await asyncio.sleep(0.03)
        assert not host.is_silent()
        async with asyncio.timeout(60) as patience:
            with host.call(patience):
                assert not host.is_silent()
                await asyncio.sleep(0.03)
                assert host.is_silent()
                host.hear()
                assert not host.is_silent()
        assert not host.is_silent()

    asyncio.run(run())


def test_what_is_given_up_ends_at_once() -> None:
    async def wait(host: Host) -> None:
        async with asyncio.timeout(60) as patience:
            with host.call(patience):
                await asyncio.sleep(60)

    async def run() -> None:
        host = Host("http://host", 2, 60)
        calls = [asyncio.create_task(wait(host)) for _ in range(2)]
        await asyncio.sleep(0.01)
        host.give_up()
        for call in calls:
            with pytest.raises(TimeoutError):
                await call

    asyncio.run(run())
