"""kill -9 of master or launcher at each request of a restart in a container, and events that are lost: one runs, none
leaks.
"""

import os
import signal
from collections.abc import Iterator
from functools import partial

import pytest

from beeyard.domain.spec import Backoff, RestartPolicy, StopStep, WorkerSpec
from beeyard.domain.values import Duration, SignalNumber, WorkerId
from tests.contract.engines import HOST, docker, image
from tests.faults.between import Between, Point
from tests.faults.test_kill_points import alive
from tests.yard import Yard, eventually, launcher_program, master_program

pytestmark = pytest.mark.needs_docker

REQUESTS = {
    "stop": r"POST /containers/\w{64}/kill",
    "remove": r"DELETE /containers/",
    "create": r"POST /containers/create",
    "start": r"POST /containers/\w{64}/start",
    "look": r"GET /containers/\w{64}/json",
}
"""All that a restart takes, in its order."""
AT_ONCE = RestartPolicy("always", backoff=Backoff(delay=Duration(0.0), max_retries=None), jitter=0.0)
SCRIPT = "trap 'exit 0' TERM; echo up $(hostname); while :; do sleep 0.02; done"


def worker(host: str = HOST) -> WorkerSpec:
    """Says who it is, once, when it starts; a container's host name is its id."""
    section = {"image": image(host), "command": ["/bin/sh", "-c", SCRIPT]}
    step = StopStep(SignalNumber(signal.SIGTERM), Duration(10.0))
    return WorkerSpec(id=WorkerId("web"), provider="docker", run=section, restart=AT_ONCE, stop=(step,))


@pytest.fixture(scope="module")
def between(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Between]:
    """In front of the engine, for all that is started from here on."""
    made = Between(tmp_path_factory.mktemp("b") / "s", HOST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", made.host)
        yield made
    made.close()


@pytest.fixture(scope="module")
def hurt(between: Between, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """One Beeyard that is hurt again and again, with one worker."""
    made = Yard(tmp_path_factory.mktemp("yard") / "s")
    try:
        made.start(launcher_program(), master_program())
        made.apply(worker())
        made.running("web")
        yield made
    finally:
        made.end()
        for line in containers(made):
            docker("rm", "-f", line)


def containers(yard: Yard, *words: str, host: str = HOST) -> list[str]:
    """Those of this owner, whatever became of them."""
    label = f"label=beeyard.owner={yard.paths.identity}"
    return docker("ps", "-aq", "--no-trunc", "--filter", label, *words, host=host).split()


def settled(yard: Yard, host: str = HOST) -> str:
    """The one container there is, once it is that of the attempt that is known; empty before."""
    row = yard.ps().get("web", {})
    known = ("--filter", "status=running", "--filter", f"label=beeyard.attempt={row.get('attempt')}")
    found, mine = containers(yard, host=host), containers(yard, *known, host=host)
    return found[0] if row.get("state") == "running" and len(found) == 1 and found == mine else ""


CASES = [(name, when, victim) for name in REQUESTS for when in ("before", "after") for victim in ("master", "launcher")]


@pytest.mark.parametrize(("name", "when", "victim"), CASES)
def test_killed_there_one_container_runs_and_none_leaks(
    hurt: Yard, between: Between, name: str, when: str, victim: str
) -> None:
    """It is another one than before, the one that is known, and each that was started was started once."""
    first = eventually(partial(settled, hurt), f"one container; {hurt.said()[-2000:]}")
    pid = hurt.pid(victim)

    def kill() -> bool:
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not alive(pid), f"{victim} gone")
        return victim != "master"  # What it asked for ends with it.

    done = between.at(Point(REQUESTS[name], when), kill)
    hurt.ask("restart", workers=["web"], wait=False)
    eventually(done.is_set, f"{when} {name}; {hurt.said()[-2000:]}")
    eventually(lambda: settled(hurt) not in ("", first), f"another container; {hurt.said()[-2000:]}")
    eventually(lambda: said(hurt)[-1:] == [settled(hurt)[:12]], "its first line")
    assert len(said(hurt)) == len(set(said(hurt))), "one was started twice, or a line was doubled"


def said(yard: Yard) -> list[str]:
    """Who said that it is up."""
    return [line.decode().removeprefix("up ") for line in yard.log("web").splitlines()]


@pytest.mark.slow
def test_a_death_is_found_by_the_list_when_events_are_lost(hurt: Yard, between: Between) -> None:
    """Within a minute, though the stream stays open and says nothing."""
    first = eventually(partial(settled, hurt), "one container")
    between.deaf = True
    try:
        docker("kill", first)
        eventually(lambda: settled(hurt) not in ("", first), "another container", patience=60.0)
    finally:
        between.deaf = False
