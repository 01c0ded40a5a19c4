"""kill -9 of master and launcher at the steps of an update, of a rollback, and of a version that goes back by itself.

After each: all of the group serve one version, the one that it went to or the one that it came from, once each; no
worker is lost, and its story says why. A step is any effect or commit of the master. Which are taken is drawn by lot.
"""

import contextlib
import itertools
import json
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from beeyard.domain.course import OVER
from beeyard.launcher.locks import holder
from tests.end_to_end.shelf import Shelf
from tests.faults.test_kill_points import FAULTY
from tests.yard import Refusal, Row, Yard, eventually

LONG = 60.0
"""Seconds for whatever has to happen, on a machine that is busy."""
GROUP = ("web.1", "web.2")
WORKER = {
    "provider": "process",
    "run": {},
    "package": "hello",
    "restart": {"policy": "always", "backoff": {"delay": 0.05, "factor": 1.0, "max_retries": None}, "jitter": 0.0},
    "rollout": {"strategy": "rolling", "min_healthy": 0.05, "watch": 0.1, "healthy_deadline": LONG, "deadline": LONG},
}
SERVES = {"1.0": "1001", "2.0": "1002"}
"""Version -> for how long what it runs sleeps."""
EVERY, LEAST = 8, 20
"""One step of so many is tried, for each takes a second or more; how many there are at least."""
VICTIMS = [("master",), ("launcher",), ("master", "launcher")]


class Deed(NamedTuple):
    """What is asked, from which version it sets out, and where that has to end."""

    operation: str
    fields: dict[str, Any]
    before: str
    after: str
    stage: str


UPDATE = Deed("package_update", {"packages": ["hello"], "to": "2.0"}, "1.0", "2.0", "done")
ROLLBACK = Deed("package_rollback", {"name": "web", "to": "1.0"}, "2.0", "1.0", "done")
BAD = Deed("package_update", {"packages": ["hello"], "to": "3.0"}, "1.0", "1.0", "returned")


class Rolling(Yard):
    """Beeyard with the hand that kills, and a group that runs 1.0 of a package."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "state")
        self.shelf = Shelf(folder / "shelf")
        self.shelf.put("hello", "1.0", script=f"exec sleep {SERVES['1.0']}")
        self._orders = itertools.count(1)

    def begin(self) -> None:
        """All are there."""
        self.start([sys.executable, "-I", "-S", FAULTY, "launcher"], [sys.executable, FAULTY, "master"])
        packages = {"repositories": [self.shelf.spec()]}
        workers = [{"id": name, **WORKER} for name in GROUP]
        self.ask("apply", specs=workers, origin="test", master={"packages": packages})
        self.settled("1.0")
        self.shelf.put("hello", "2.0", script=f"exec sleep {SERVES['2.0']}")
        self.shelf.put("hello", "3.0", script="sleep 0.1; exit 3")

    def order(self, nth: int, victims: tuple[str, ...]) -> None:
        """Have these killed at the n-th step from now on."""
        file = Path(self.paths.state, "fault.json")
        said = {"point": "master *", "when": "before", "nth": nth, "victims": victims, "id": next(self._orders)}
        file.with_suffix(".new").write_text(json.dumps(said))
        file.with_suffix(".new").rename(file)

    def carried_out(self) -> bool:
        """Whether it came to that step; if it did not, it never will."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.paths.state, "fault.json"))
            return False
        return True

    def seen(self) -> Row:
        """How it is with the group; empty where nothing was ever rolled out."""
        return next(iter(self.ask("rollout_status", workers=["web"])), {})

    def do(self, deed: Deed) -> None:
        """Ask until it was begun and is over, whoever answers."""
        before, refused = began(self.seen()), ""

        def over() -> bool:
            nonlocal refused
            self.bring_back()
            with contextlib.suppress(OSError):
                view = self.seen()
                if began(view) != before:
                    return view["stage"] in OVER
                try:
                    self.ask(deed.operation, **deed.fields)
                except Refusal as refusal:
                    refused = str(refusal)
            return False

        try:
            eventually(over, patience=LONG)
        except AssertionError:
            raise AssertionError(f"no end of {deed}: {refused}; {self.ps()}\n{self.said()[-3000:]}") from None

    def bring_back(self) -> None:
        """As whoever watches over a host would, where nobody is left."""
        if not any(map(holder, self._locks())):
            self.start([sys.executable, "-I", "-S", FAULTY, "launcher"], [sys.executable, FAULTY, "master"])

    def settled(self, version: str) -> None:
        """All run this version, as the processes themselves show, and each is there once."""
        rows: dict[str, Row] = {}

        def look() -> bool:
            nonlocal rows
            rows = self.ps()
            return set(rows) == set(GROUP) and all(
                row["state"] == "running" and row["ready"] and self.leaders(name) == [row["pid"]] and serves(row["pid"])
                for name, row in rows.items()
            )

        try:
            eventually(look, patience=LONG)
        except AssertionError:
            left = {name: self.leaders(name) for name in GROUP}
            raise AssertionError(f"not settled: {rows}; {left}\n{self.said()[-3000:]}") from None
        assert [serves(row["pid"]) for row in rows.values()] == [version] * len(GROUP)


def began(view: Row) -> float:
    """When the group set out last."""
    return max((one["at"] for one in view.get("generations", [])), default=0.0)


def serves(pid: int) -> str:
    """The version that this process is of; empty for one that is none any more."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return next((version for version, length in SERVES.items() if length.encode() in words), "")
    return ""


@pytest.fixture(scope="module")
def rolling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rolling]:
    """One that is hurt again and again."""
    made = Rolling(tmp_path_factory.mktemp("rolling"))
    try:
        made.begin()
        yield made
    finally:
        made.end()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.xdist_group("rollouts")
@pytest.mark.parametrize("victims", VICTIMS, ids="+".join)
def test_killed_at_any_step_the_group_ends_on_one_version(rolling: Rolling, victims: tuple[str, ...]) -> None:
    """There, back, and back by itself, killed at one in EVERY steps, until none of them comes to a later one."""
    nth, left = random.randrange(1, EVERY + 1), [UPDATE, ROLLBACK, BAD]
    print("killed at each step", nth, "+", EVERY)
    while left:
        for deed in list(left):
            rolling.order(nth, victims)
            rolling.do(deed)
            if not rolling.carried_out():
                left.remove(deed)
            rolling.settled(deed.after)
            check(rolling, deed)
        nth += EVERY
    assert nth > LEAST
    assert rolling.ask("audit_verify")["problem"] == ""


def check(rolling: Rolling, deed: Deed) -> None:
    """It ended as it was meant to, and each worker tells where it went and why."""
    view, verdict = rolling.seen(), "bad" if deed.stage == "returned" else "healthy"
    assert (view["stage"], view["generations"][-1]["verdict"]) == (deed.stage, verdict)
    stories = [[entry["what"] for entry in told["story"]] for told in rolling.ask("why", worker="web", story=20)]
    if deed is BAD:
        assert " ended" in view["reason"]
        assert f"goes back to 1.0: {view['reason']}" in stories[0]
    else:
        assert all(f"goes over to {deed.after}" in story for story in stories)
