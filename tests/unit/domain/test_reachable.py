"""By which URL workers call a master, and why they can't."""

import pytest

from beeyard.domain.errors import Invalid
from beeyard.domain.master import ListenSpec, reachable, require_address, unreachable


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        (ListenSpec("127.0.0.1:8600"), "http://127.0.0.1:8600"),
        (ListenSpec("[fd00::1]:1", "c", "k"), "https://[fd00::1]:1"),
        (ListenSpec("0.0.0.0:8600", "c", "k", advertise="yard.example.org:443"), "https://yard.example.org:443"),
        (ListenSpec("127.0.0.1:8600", advertise="yard.example.org:80"), "http://yard.example.org:80"),
    ],
)
def test_workers_call_what_is_advertised_or_listened_on(listen: ListenSpec, url: str) -> None:
    """With TLS where there is a certificate."""
    assert (reachable(listen), unreachable(listen)) == (url, None)


@pytest.mark.parametrize(
    ("listen", "found", "expected"),
    [
        ("", "listen: any port", "a `listen` that stays the same, as HOST:PORT"),
        ("none", "listen: none", "a `listen` that stays the same, as HOST:PORT"),
        ("0.0.0.0:8600", "listen: 0.0.0.0:8600", "`advertise: HOST:PORT` as well: that is no address to call"),
        ("[::]:8600", "listen: [::]:8600", "`advertise: HOST:PORT` as well: that is no address to call"),
    ],
)
def test_what_is_no_address_or_may_be_another_tomorrow_is_said_early(listen: str, found: str, expected: str) -> None:
    """What `config check` says at the worker that registers."""
    problem = unreachable(ListenSpec(listen))
    assert problem is not None
    assert (problem.path, problem.found, problem.expected) == (
        "register",
        f"true, with the master's `{found}`",
        expected,
    )
    assert reachable(ListenSpec(listen)) == ""


def test_an_address_that_is_none_is_not_advertised() -> None:
    """Whoever sends it without a worker file."""
    with pytest.raises(Invalid) as refused:
        require_address(ListenSpec("127.0.0.1:8600", advertise="yard"))
    assert str(refused.value) == "master.listen.advertise: found yard, expected HOST:PORT or [IPV6]:PORT"
