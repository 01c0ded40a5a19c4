"""One origin of a signed repository is out of date or wrong: what that costs, and what it does not."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from tuf.api.metadata import Targets

from beeyard.adapters.repositories import refusals
from beeyard.adapters.repositories.publishing import promote, publish, sign
from beeyard.adapters.repositories.publishing.workshop import utc
from beeyard.adapters.repositories.tuf import TufRepository
from beeyard.domain.errors import BeeyardError, Unavailable, Untrusted
from tests.repositories import Yard, serving

ENDED = "hive: what {role} signed is out of date: it was good until {until:%Y-%m-%d %H:%M} UTC"


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """Three origins, in this order: acme, with a channel, bees, wax."""
    yard = Yard(tmp_path)
    for origin, builds in {"acme": ["caddy", "shared"], "bees": ["brush"], "wax": ["candle", "shared"]}.items():
        yard.add(*((name, "1.0") for name in builds), origin=origin)
    promote(yard.workshop, "caddy:1.0", "stable")
    return yard.published()


def change(yard: Yard, role: str, age: timedelta = timedelta(), spoil: Callable[[bytes], bytes] = bytes) -> Targets:
    """The next version of a role, so old or so spoiled, in a state that is signed as it has to be."""
    found = yard.role(role)
    found.expires = utc() + timedelta(days=365) - age
    data, file = yard.renew(role, found), yard.workshop.file(role)
    assert file
    file.write_bytes(spoil(data))
    return found


def offered(reader: TufRepository, package: str) -> list[str]:
    """What there is of it now."""

    async def ask() -> list[str]:
        await reader.refresh()
        return [offer.version for offer in await reader.offers(package)]

    return asyncio.run(ask())


def refused(reader: TufRepository, package: str) -> BeeyardError:
    """Why there is nothing of it."""
    with pytest.raises(BeeyardError) as caught:
        offered(reader, package)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("known", [True, False], ids=["known before", "never read"])
def test_an_origin_out_of_date_costs_its_own_packages_and_no_other(yard: Yard, known: bool) -> None:
    """Whose, since when, and what to do; and what the next origin has under the same name is not taken instead."""
    reader = yard.reader()
    if known:
        asyncio.run(reader.refresh())
    ended = change(yard, "acme", timedelta(days=400))
    for package in ("caddy", "shared"):
        why = refused(reader, package)
        assert (type(why), why.code) == (Untrusted, "repository_expired")
        assert str(why) == ENDED.format(role="acme", until=ended.expires)
        assert why.hint == "its owner signs it anew and publishes: beeyard repo sign, beeyard repo publish"
    assert (offered(reader, "brush"), offered(reader, "candle"), offered(reader, "nothing")) == (["1.0"], ["1.0"], [])
    assert asyncio.run(reader.packages()) == ["brush", "caddy", "candle", "shared"]


def test_an_origin_is_as_before_once_it_was_signed_anew(yard: Yard) -> None:
    """By what the hint says, for a reader that goes on."""
    reader = yard.reader()
    change(yard, "acme", timedelta(days=400))
    refused(reader, "caddy")
    assert any(line.startswith("renewed acme: ") for line in sign(yard.workshop).did)
    publish(yard.workshop)
    assert offered(reader, "caddy") == offered(reader, "shared") == ["1.0"]


def test_an_origin_out_of_date_does_not_keep_the_rest_from_being_published(yard: Yard) -> None:
    """Its key may be with somebody else; the owner is told, each time, and readers get what is new of the others."""
    old = yard.role("acme")
    yard.workshop.write("acme", old, timedelta(days=-1))
    yard.add(("brush", "1.1"), origin="bees")
    told = publish(yard.workshop).did
    nothing = f"nothing of it can be had before beeyard repo sign {yard.folder}"
    assert f"acme expired on {utc() - timedelta(days=1):%Y-%m-%d}: {nothing}" in told
    assert offered(yard.reader(), "brush") == ["1.0", "1.1"]
    assert refused(yard.reader(), "caddy").code == "repository_expired"


SPOILED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "other bytes": (lambda data: data.replace(b"brush", b"crush"), "holds something else than the file that was named"),
    "cut short": (lambda data: data[:-9], "has 467 bytes, and 476 were named there"),
    "nothing": (lambda data: b"", "has 0 bytes, and 476 were named there"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_an_origin_that_can_not_be_verified_costs_what_might_be_its_own(yard: Yard, case: str) -> None:
    """Those before it go on; of those after it nobody can say that a name is not one of its own by now."""
    reader = yard.reader()
    asyncio.run(reader.refresh())
    change(yard, "bees", spoil=SPOILED[case][0])
    assert offered(reader, "caddy") == offered(reader, "shared") == ["1.0"]
    for package in ("brush", "candle", "nothing"):
        why = refused(reader, package)
        assert (type(why), why.code) == (Untrusted, "repository_mixed")
        belongs = "hive: 3.bees.json does not belong to the state that was signed: it "
        assert str(why).startswith(belongs + SPOILED[case][1])


def test_an_origin_whose_file_is_missing_is_an_outage_of_its_packages(yard: Yard) -> None:
    """A copy that is not whole: tried again, and no reason to distrust the rest."""
    reader = yard.reader()
    file = yard.workshop.file("bees")
    assert file
    data = file.read_bytes()
    file.unlink()
    assert offered(reader, "caddy") == ["1.0"]
    why = refused(reader, "brush")
    assert (type(why), str(why)) == (Unavailable, f"hive holds no {file.name}")
    file.write_bytes(data)
    assert offered(reader, "brush") == ["1.0"]


def test_where_nothing_else_is_there_the_list_says_why(tmp_path: Path) -> None:
    """An empty list would say that there are no packages."""
    yard = Yard(tmp_path).published(("caddy", "1.0"))
    change(yard, "acme", spoil=lambda data: b"")
    with pytest.raises(Untrusted) as caught:
        asyncio.run(yard.reader().packages())
    assert caught.value.code == "repository_mixed"


@pytest.mark.parametrize("age", [timedelta(days=400), timedelta()], ids=["out of date", "spoiled"])
def test_a_channel_that_is_refused_points_to_nothing_and_costs_no_package(yard: Yard, age: timedelta) -> None:
    """What it pointed to is there, under its version."""
    reader = yard.reader()
    assert [offer.channels for offer in asyncio.run(reader.offers("caddy"))] == [("stable",)]
    change(yard, "channel-stable", age, bytes if age else lambda data: b"")
    asyncio.run(reader.refresh())
    assert [(offer.version, offer.channels) for offer in asyncio.run(reader.offers("caddy"))] == [("1.0", ())]
    assert offered(reader, "candle") == ["1.0"]


@pytest.mark.parametrize(("age", "more"), [(400, 0), (0, 1)], ids=["out of date", "spoiled"])
async def test_what_is_out_of_date_is_not_read_again_and_what_is_wrong_is(yard: Yard, age: int, more: int) -> None:
    """The one can't change without a newer version; the other may be mended in its place."""
    change(yard, "acme", timedelta(days=age), bytes if age else lambda data: b"")
    async with serving(yard.folder) as server:
        reader = yard.reader(server.url)
        await reader.refresh()
        before = len(server.seen)
        await reader.refresh()
        assert len(server.seen) - before == 2 + more


async def test_an_origin_that_can_not_be_fetched_is_an_outage_of_the_repository(yard: Yard) -> None:
    """Who serves it is asked again; nothing is known of what the file would say."""

    async def down(request: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    async with serving(yard.folder) as server:
        file = yard.workshop.file("bees")
        assert file
        server.answers[f"metadata/{file.name}"] = down
        with pytest.raises(Unavailable) as caught:
            await yard.reader(server.url).refresh()
    assert caught.value.code == "repository_unreachable"


def test_a_refusal_shows_no_digest(yard: Yard) -> None:
    """Nobody compares them by eye."""
    reader = yard.reader()
    change(yard, "acme", spoil=lambda data: data.replace(b"caddy", b"kaddy"))
    text = str(refused(reader, "caddy"))
    meta = yard.snapshot().meta["acme.json"].hashes
    assert meta is not None
    assert meta["sha256"] not in text


def test_every_kind_of_refusal_is_a_whole_sentence_with_advice() -> None:
    """Each of them says whose, and none says python-tuf's words."""
    for kind in refusals._REFUSALS:
        assert kind.text.startswith("{repository}")
        assert kind.hint
        assert not {"hash", "threshold", "metadata_", "delegat"} & set(kind.text.split())
