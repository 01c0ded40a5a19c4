"""What the launcher is told to hold, and the words for what it answers."""

import resource

import pytest

from beeyard.adapters.providers.process import holding
from beeyard.adapters.providers.process.provider import exit_of
from beeyard.domain.limits import Hold


@pytest.fixture(autouse=True)
def hard(monkeypatch: pytest.MonkeyPatch) -> None:
    """We may open 1000 files ourselves, and have all address space."""
    limits = {resource.RLIMIT_NOFILE: 1000, resource.RLIMIT_AS: resource.RLIM_INFINITY}
    monkeypatch.setattr(resource, "getrlimit", lambda number: (0, limits[number]))


def test_an_attempts_bounds_and_each_process_bounds_are_told_apart() -> None:
    """Only what is asked for; nothing asked is nothing said."""
    hold = Hold(memory=4096, cores=0.5, virtual=8192, descriptors=64)
    assert holding.ordered(hold, {"core": (0, 0)}) == {
        "hold": {"memory": 4096, "cores": 0.5},
        "limits": {"core": (0, 0), "as": [8192, 8192], "nofile": [64, 64]},
    }
    assert holding.ordered(Hold(), {}) == {}


@pytest.mark.parametrize(
    ("given", "bound", "expected"),
    [((32, 4096), 64, [32, 64]), ((-1, -1), 64, [64, 64]), ((128, 256), 64, [64, 64]), ((32, 4096), 5000, [32, 1000])],
)
def test_the_strictest_limit_counts(given: tuple[int, int], bound: int, expected: list[int]) -> None:
    """The section's, the bound, or what we may have ourselves: above that no program could be started."""
    assert holding.ordered(Hold(descriptors=bound), {"nofile": given})["limits"]["nofile"] == expected


def test_every_field_that_was_asked_for_has_its_words() -> None:
    """Also from a launcher that never heard of it."""
    hold = Hold(memory=1, processes=2, virtual=3, descriptors=4)
    report = {"held": {"memory": "cgroup v2 memory.max"}, "limited": {"as": "Operation not permitted", "nofile": ""}}
    assert holding.words(hold, report) == {
        "memory": "cgroup v2 memory.max",
        "processes": "not held: the launcher is of an older version",
        "virtual": "not held: RLIMIT_AS: Operation not permitted",
        "descriptors": "RLIMIT_NOFILE",
    }


@pytest.mark.parametrize(
    ("report", "oom", "note"),
    [
        ({"signal": 9, "oom": True, "oom_kills": 1}, True, ""),
        ({"signal": 9, "oom": True, "oom_kills": 3}, True, "the kernel killed 2 of its processes: out of memory"),
        ({"code": 1, "oom_kills": 1}, False, "the kernel killed 1 of its processes: out of memory"),
        (
            {"signal": 9, "note": "the host's OOM killer ran in this time"},
            False,
            "the host's OOM killer ran in this time",
        ),
    ],
)
def test_an_end_for_lack_of_memory_is_told_apart(report: dict[str, object], oom: bool, note: str) -> None:
    """That of the leader, and that of others."""
    ending = exit_of(report)
    assert (ending.oom, ending.note) == (oom, note)
