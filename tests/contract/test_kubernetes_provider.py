"""What the kubernetes provider promises on any cluster: the scripted one, and that of KUBECONFIG where it is set."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from beeyard.domain.errors import Rejected
from beeyard.domain.messages import Exit
from beeyard.domain.spec import StopStep
from beeyard.domain.values import Duration, SignalNumber
from beeyard.ports.provider import Answer, Sight
from tests.contract.benches import until
from tests.kube.bench import Bench
from tests.kube.server import Server

TERM = StopStep(SignalNumber(15), Duration(5.0))
REAL = pytest.mark.skipif(not os.environ.get("KUBECONFIG"), reason="KUBECONFIG names no cluster")


LONG = pytest.mark.timeout(900)


@pytest.fixture(params=["scripted", pytest.param("real", marks=[pytest.mark.needs_kubernetes, REAL, LONG])])
async def on(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """A provider on its cluster."""
    if request.param == "real":
        made = Bench(tmp_path, None)
        yield made
        await made.end()
        return
    async with Server() as server:
        made = Bench(tmp_path, server)
        yield made
        await made.end()


@pytest.mark.parametrize("workload", ["pod", "job"])
async def test_launched_twice_it_is_one_pod(on: Bench, workload: str) -> None:
    """Whoever owns it, `launch` finds what was created before, and runs it."""
    spec = on.spec(workload=workload)
    await on.runs(spec)
    first = await on.provider.launch(spec, 1, {})
    await on.another_owner()
    assert await on.provider.launch(spec, 1, {}) == first
    assert [(owned.worker, owned.attempt, owned.alive) for owned in await on.provider.list_owned()] == [("w", 1, True)]


async def test_the_next_attempt_is_refused_while_the_older_one_lives(on: Bench) -> None:
    """No mistake of an owner can double a worker."""
    pod = await on.runs(on.spec())
    with pytest.raises(Rejected) as refused:
        await on.provider.launch(on.spec(), 2, {})
    assert str(refused.value) == f"attempt 1 of w still runs (pod {pod})"


@pytest.mark.parametrize("workload", ["pod", "job"])
@pytest.mark.parametrize("code", [0, 7])
async def test_its_code_is_told_and_stays_until_it_is_destroyed(on: Bench, workload: str, code: int) -> None:
    """Also to an owner that came later; and destroying it twice is harmless."""
    spec = on.spec(f"exit {code}", workload=workload)
    handle = await on.provider.launch(spec, 1, {})
    assert await on.exited() == Exit(code)
    await on.another_owner()
    assert await on.provider.attach(spec, 1, handle) == Sight("ended", Exit(code))
    assert await on.exited() == Exit(code)
    await on.provider.destroy("w", 1)
    await on.provider.destroy("w", 1)
    assert await on.provider.list_owned() == []
    assert await on.sight() == Sight("missing")


@pytest.mark.parametrize("workload", ["pod", "job"])
async def test_to_stop_it_is_to_delete_it(on: Bench, workload: str) -> None:
    """Its exit is told, it is asked once for each step, and the next attempt is another pod."""
    spec = on.spec(workload=workload, more={"stop": (TERM,)})
    first = await on.runs(spec)
    await on.provider.terminate("w", 1, TERM, 1)
    await on.provider.terminate("w", 1, TERM, 1)
    if on.scripted:
        assert [call.resource for call in on.server.calls if call.verb == "delete"].count(f"{workload}s") == 1
    ended = await on.exited()
    assert ended.code in (137, 143, None)
    await on.provider.destroy("w", 1)
    assert await on.runs(spec, 2) != first


async def test_kill_ends_what_does_not_want_to(on: Bench) -> None:
    """The grace of a stop that goes on is cut short."""
    spec = on.spec("trap '' TERM; sleep 1000", more={"stop": (replace(TERM, wait=Duration(600.0)),)})
    await on.runs(spec)
    if on.scripted:
        on.server.cluster.stubborn = True
    await on.provider.terminate("w", 1, replace(TERM, wait=Duration(600.0)), 1)
    await on.provider.kill("w", 1)
    assert (await on.exited()).code in (137, None)


async def test_what_it_writes_comes_to_its_pipe_to_the_last_line(on: Bench) -> None:
    """Once `drain` returned, all is there, and only once."""
    await on.provider.launch(on.spec("echo one; echo two; exit 0"), 1, {})
    await on.exited()
    await on.provider.drain("w")
    assert on.lines() == ["one", "two"]


async def test_an_attempt_is_found_again_by_its_handle(on: Bench) -> None:
    """And its end is told to who found it."""
    spec = on.spec()
    await on.runs(spec)
    handle = await on.provider.launch(spec, 1, {})
    await on.another_owner()
    assert await on.provider.attach(spec, 1, handle) == Sight("running")
    await on.provider.kill("w", 1)
    assert (await on.exited()).code in (137, 143, None)


async def test_a_command_runs_beside_it(on: Bench) -> None:
    """Its output of both kinds, and its code."""
    spec = on.spec()
    await on.runs(spec)
    assert await on.provider.exec(spec, ("printf", "%s.", "a b", "$$"), 10.0) == Answer(0, "a b.$$.")
    assert await on.provider.exec(spec, ("sh", "-c", "echo no >&2; exit 3"), 10.0) == Answer(3, "no\n")
    assert (await on.provider.exec(spec, ("nowhere",), 10.0)).code == 127


async def test_what_never_was_is_missing(on: Bench) -> None:
    """Not an error, and not ended."""
    assert await on.sight() == Sight("missing")
    await on.provider.terminate("w", 1, TERM, 1)
    await on.provider.kill("w", 1)
    await on.provider.destroy("w", 1)


async def test_secrets_are_an_object_of_the_worker_and_go_with_it(on: Bench) -> None:
    """Nobody reads them in the pod, and its program finds them in its environment as they are."""
    on.secrets.sources, on.secrets.values = {"key": None}, {"key": "$(HOME) $$ x"}  # type: ignore[dict-item]
    script = 'echo "$KEY/$PLAIN"; sleep 1000' if not on.scripted else "sleep 1000"
    spec = on.spec(script, environment={"KEY": "<${secret:key}>", "PLAIN": "$(HOME) $$"})
    await on.runs(spec)
    if on.scripted is None:
        await on.until(lambda: on.lines() == ["<$(HOME) $$ x>/$(HOME) $$"], "what it found")
        return
    cluster = on.server.cluster
    (kept,) = cluster.objects["secrets"].values()
    assert kept["stringData"] == {"value-1": "<$(HOME) $$ x>"}
    reference = {"name": kept["metadata"]["name"], "key": "value-1"}
    assert cluster.pod()["spec"]["containers"][0]["env"][-2:] == [
        {"name": "KEY", "valueFrom": {"secretKeyRef": reference}},
        {"name": "PLAIN", "value": "$$(HOME) $$$$"},
    ]
    await on.provider.kill("w", 1)
    await on.exited()
    await until(lambda: not cluster.objects["secrets"], "no secret")
