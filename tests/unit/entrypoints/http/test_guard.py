"""What a request over TCP must be like: meant for this host, of no foreign page; and what becomes of failures."""

import pytest
from aiohttp.test_utils import make_mocked_request

from beeyard.domain.errors import Denied, Limited, Unidentified
from beeyard.entrypoints.http.guard import JOURNALLED, Guard, is_foreign, is_known
from tests.fakes.world import World

KNOWN = {"yard", "yard.example.org", "192.0.2.7", "2001:db8::7"}
WRONG = Unidentified("token_unknown", "this token is not known here")


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8600", "127.0.0.1:1", "[::1]:8600", "[::1]", "yard", "Yard.Example.org.:443",
     "192.0.2.7:1", "[2001:DB8:0::7]:8600"],
)  # fmt: skip
def test_a_host_is_known_by_its_own_names_whatever_the_port(host: str) -> None:
    """Whoever forwards a port has another one."""
    assert is_known(host, KNOWN)


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "yard.example.org.evil.example", "127.0.0.1.evil.example", "192.0.2.8", "[::2]", "localhost:x",
     "localhost:8600:8600", "yard@evil.example", "yard evil.example", "localhost.evil.example:80", "2001:db8::7"],
)  # fmt: skip
def test_any_other_name_may_be_somebodys_who_made_it_lead_here(host: str) -> None:
    """DNS rebinding."""
    assert not is_known(host, KNOWN)


@pytest.mark.parametrize(
    ("headers", "session", "foreign"),
    [
        ({}, False, False),  # curl with a token
        ({}, True, True),  # a cookie, and no word of the page: no browser of these years
        ({"Sec-Fetch-Site": "same-origin"}, True, False),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://yard:8600"}, True, False),
        ({"Sec-Fetch-Site": "none"}, True, False),  # the user, by hand
        ({"Sec-Fetch-Site": "same-site"}, True, True),  # another port of this host
        ({"Sec-Fetch-Site": "cross-site"}, False, True),
        ({"Origin": "http://yard:8600"}, True, False),
        ({"Origin": "https://YARD:8600"}, True, False),
        ({"Origin": "http://yard:8601"}, True, True),
        ({"Origin": "http://yard"}, True, True),
        ({"Origin": "http://evil.example"}, False, True),
        ({"Origin": "null"}, True, True),
        ({"Origin": ""}, True, True),
        ({"Origin": "http://["}, True, True),
    ],
)
def test_a_page_of_another_origin_is_foreign(headers: dict[str, str], session: bool, foreign: bool) -> None:
    """As far as the browser tells, and where a cookie counts it must tell."""
    request = make_mocked_request("POST", "/v1/jobs", headers={"Host": "yard:8600", **headers})
    assert is_foreign(request, session=session) is foreign


def test_two_hosts_are_no_host() -> None:
    """Which of them a proxy in front believed is anybody's guess."""
    guard = Guard(World().master())
    request = make_mocked_request("GET", "/", headers=[("Host", "localhost"), ("Host", "evil.example")])
    with pytest.raises(Denied, match=r"^this host is not known as localhost, evil\.example$"):
        guard.check(request, session=False)


async def test_who_fails_too_often_has_to_wait_and_is_told_how_long() -> None:
    """Ten failures a minute are answered and written down; the next is neither."""
    world = World()
    guard = Guard(world.master())
    request = make_mocked_request("GET", "/v1/workers", headers={"Host": "localhost"})
    for _ in range(10):
        assert await guard.refused(request, WRONG) is WRONG
        world.clock.advance(1.0)
    limited = await guard.refused(request, WRONG)
    assert isinstance(limited, Limited)
    assert limited.retry_after == 50.0
    entries = await world.journal.read(limit=100)
    assert [(entry.record.what, entry.record.who, entry.record.outcome) for entry in entries] == [
        ("denied", "stranger", "token_unknown")
    ] * 10
    assert entries[0].record.asked == {"method": "GET", "path": "/v1/workers"}
    world.clock.advance(50.0)
    assert await guard.refused(request, WRONG) is WRONG


async def test_many_strangers_together_fill_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has an address of its own, as in a network of IPv6."""
    world = World()
    guard = Guard(world.master())
    for number in range(JOURNALLED + 20):
        request = make_mocked_request("GET", "/", headers={"Host": "localhost"}).clone(
            remote=f"2001:db8:0:{number:x}::1"
        )
        assert await guard.refused(request, WRONG) is WRONG
    assert len(await world.journal.read(limit=1000)) == JOURNALLED


async def test_a_journal_that_cant_be_written_lets_nobody_in() -> None:
    """Nor does it turn a refusal into an error of ours."""
    world = World()
    world.journal.failing = "full"
    request = make_mocked_request("GET", "/", headers={"Host": "localhost"})
    assert await Guard(world.master()).refused(request, WRONG) is WRONG
