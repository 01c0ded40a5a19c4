"""How the state in `ps` is told by the service API."""

import pytest
from msgspec.structs import replace

from beeyard.application.views import view
from beeyard.domain.messages import Handle, Now
from beeyard.domain.worker import Running, Worker, new
from beeyard.entrypoints.management.views import status
from tests.fakes.world import spec

RUNNING = Running(1, 1, Handle("fake", 1, {}), 0.0, 0.0, ready_since=0.0)


def worker(**fields: object) -> Worker:
    """One that runs."""
    return replace(new(spec("w")), phase=replace(RUNNING, **fields), attempt=1)


@pytest.mark.parametrize(
    "said", ["the queue is paused", "its container is paused", "contact lost: its container is paused"]
)
def test_what_a_worker_says_of_itself_pauses_nothing(said: str) -> None:
    """Its own words are no state of its container."""
    found = status(view(worker(status=said), Now(0.0, 0.0)))
    assert (found.state, found.is_available, found.detail) == ("running", True, said)


def test_one_whose_container_is_paused_is_paused_and_one_out_of_reach_is_not() -> None:
    """Of the latter nobody knows better than that it runs."""
    lost = {why: worker(contact_lost_since=1.0, contact_lost=why) for why in ("its container is paused", "no engine")}
    assert [status(view(one, Now(2.0, 2.0))).state for one in lost.values()] == ["paused", "running"]
