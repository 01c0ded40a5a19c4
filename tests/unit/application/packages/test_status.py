"""How an install goes, in figures and in words."""

from beeyard.application.packages.status import Meter, PackageStatus
from tests.fakes.clock import FakeClock

MB = 2**20


def meter(clock: FakeClock, told: list[PackageStatus], size: int = 100 * MB) -> Meter:
    return Meter("caddy", "2.11.4", size, clock, told.append, update=False)


def test_rate_and_time_left_come_from_what_came_lately() -> None:
    """Not from what an earlier try had left: that was there at once."""
    clock, told = FakeClock(), list[PackageStatus]()
    made = meter(clock, told)
    clock.advance(7)
    made.fetched(40 * MB)
    assert (told[-1].rate, told[-1].eta, told[-1].coming) == (0.0, None, "caddy 2.11.4: 36 %")
    clock.advance(2)
    made.fetched(60 * MB)
    assert (told[-1].rate, told[-1].eta) == (10 * MB, 4.0)
    assert told[-1].coming == "caddy 2.11.4: 54 %, 10 MB/s, 4s left"


def test_a_rate_that_changed_is_believed_after_a_while() -> None:
    """Slowly, so that it does not jump about."""
    clock, told = FakeClock(), list[PackageStatus]()
    made = meter(clock, told, 1000 * MB)
    done = 0
    for rate, seconds in ((100, 5), (10, 1)):
        for _ in range(seconds):
            made.fetched(done)
            clock.advance(1)
            done += rate * MB
        made.fetched(done)
    assert 50 * MB < told[-1].rate < 90 * MB
    for _ in range(30):
        clock.advance(1)
        done += 10 * MB
        made.fetched(done)
    assert 10 * MB < told[-1].rate < 11 * MB


def test_it_is_whole_only_when_it_is_installed() -> None:
    """Unpacking is to come when everything is there; and whatever is told, progress stays within its bounds."""
    clock, told = FakeClock(), list[PackageStatus]()
    made = meter(clock, told)
    assert (told[-1].state, told[-1].progress) == ("installing", 0.0)
    made.fetched(200 * MB)
    assert told[-1].progress == 0.9
    clock.advance(1)
    made.fetched(0)  # It began anew.
    assert (told[-1].progress, told[-1].rate) == (0.0, 0.0)
    made.over("installed")
    assert (told[-1].state, told[-1].progress, told[-1].eta) == ("installed", 1.0, None)
    made.over("failed", "no room")
    assert (told[-1].state, told[-1].error) == ("failed", "no room")


def test_what_it_waits_for_stands_in_place_of_figures() -> None:
    """Until it goes on, or is over."""
    clock, told = FakeClock(), list[PackageStatus]()
    made = meter(clock, told)
    made.heard("apt-get (pid 7) installs packages on this host")
    assert told[-1].coming == "caddy 2.11.4 waits: apt-get (pid 7) installs packages on this host"
    made.heard("")
    made.heard(50 * MB)
    assert told[-1].coming == "caddy 2.11.4: 45 %"
    made.heard("somebody")
    made.over("failed", "it took too long")
    assert told[-1].waits == ""
