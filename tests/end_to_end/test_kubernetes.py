"""Workers of a cluster under a real master: the same life as everybody's."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import beeyard
from beeyard.domain.spec import RestartPolicy, StopStep
from beeyard.domain.values import Duration, WorkerId
from tests.contract.benches import until
from tests.kube.server import Server
from tests.yard import Yard, eventually


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Where the kubeconfig is to lie."""
    return tmp_path / "kubeconfig"


def worker(config: Path, script: str = "echo up; sleep 1000", **more: Any) -> beeyard.WorkerSpec:
    """One that runs this script in a pod."""
    run = {"image": "busybox:1.36", "command": ["sh", "-c", script], "kubeconfig": str(config), **more}
    return beeyard.WorkerSpec(id=WorkerId("w"), provider="kubernetes", run=run, restart=RestartPolicy("never"))


async def test_a_worker_of_a_cluster_lives_as_any_other(tmp_path: Path, config: Path) -> None:
    """Start, restart, stop, remove; what it wrote is in its log, and at the end nothing is left in the cluster."""
    state = tmp_path / "state"
    async with Server() as server:
        config.write_text(json.dumps(server.kubeconfig()))
        async with beeyard.Master.open(str(state)) as master:
            view = master.get_worker_state_with_diagnostics
            await master.add_worker(worker(config))
            assert await master.until(lambda: view("w").state == "running", 30)
            (first,) = server.cluster.objects["pods"]
            await master.restart_worker("w")
            assert await master.until(lambda: view("w").state == "running" and view("w").attempt == 2, 30)
            assert first not in server.cluster.objects["pods"]
            await master.stop_worker("w")
            assert await master.until(lambda: view("w").state == "stopped", 30)
            assert server.cluster.objects["pods"] == {}
    eventually(lambda: Yard(state).log("w", "stdout").count(b"up\n") == 2, "what both wrote")


async def test_a_pod_goes_on_without_its_master_and_is_taken_over(tmp_path: Path, config: Path) -> None:
    """The next one finds the very same, and what it writes stands in its log once, whoever was there."""
    state = str(tmp_path / "state")
    yard = Yard(tmp_path / "state")
    async with Server() as server:
        config.write_text(json.dumps(server.kubeconfig()))
        async with beeyard.Master.open(state, keep_running=True) as master:
            await master.add_worker(worker(config))
            assert await master.until(lambda: master.get_worker_state_with_diagnostics("w").state == "running", 30)
            await until(lambda: yard.log("w") == b"up\n", "what it wrote")
        (pod,) = server.cluster.objects["pods"]
        server.cluster.write(pod, "alone")
        async with beeyard.Master.open(state) as master:
            view = master.get_worker_state_with_diagnostics
            assert (view("w").state, view("w").attempt) == ("running", 1)
            assert [*server.cluster.objects["pods"]] == [pod]
            await until(lambda: b"alone" in yard.log("w"), "what it wrote")
            server.cluster.write(pod, "again")
            server.cluster.end(pod, 7)
            assert await master.until(lambda: view("w").state != "running", 30)
            assert await master.until(lambda: not server.cluster.objects["pods"], 30)
            await until(lambda: b"again" in yard.log("w"), "what it wrote")
    assert yard.log("w") == b"up\nalone\nagain\n"


async def test_why_it_does_not_run_is_told_while_it_waits_and_afterwards(tmp_path: Path, config: Path) -> None:
    """`ps` shows it beside the worker, and its end names it."""
    async with Server() as server:
        config.write_text(json.dumps(server.kubeconfig()))
        server.cluster.works = False
        async with beeyard.Master.open(str(tmp_path / "state")) as master:
            view = master.get_worker_state_with_diagnostics
            await master.add_worker(worker(config, start_timeout=3.0))
            assert await master.until(lambda: len(server.cluster.objects["pods"]) == 1, 30)
            (pod,) = server.cluster.objects["pods"]
            server.cluster.wait(pod, "ErrImagePull", "no such image")
            reason = "its image can't be had: no such image"
            await until(lambda: view("w").note == reason, "a reason")
            assert (view("w").state, view("w").ready) == ("starting", False)
            assert await master.until(lambda: view("w").state == "stopped", 30)
            assert f"it was not started in time: {reason}" in (view("w").exit or "")


async def test_a_pod_that_waits_is_no_worker_that_runs(tmp_path: Path, config: Path) -> None:
    """It is once its container is, also where that happened while no master was there."""
    async with Server() as server:
        config.write_text(json.dumps(server.kubeconfig()))
        server.cluster.works = False
        async with beeyard.Master.open(str(tmp_path / "state"), keep_running=True) as master:
            view = master.get_worker_state_with_diagnostics
            await master.add_worker(worker(config))
            assert await master.until(lambda: view("w").note != "", 30)
            assert (view("w").state, view("w").ready) == ("starting", False)
        (pod,) = server.cluster.objects["pods"]
        server.cluster.run(pod)
        async with beeyard.Master.open(str(tmp_path / "state")) as master:
            view = master.get_worker_state_with_diagnostics
            assert await master.until(lambda: (view("w").state, view("w").ready) == ("running", True), 30)
            assert [*server.cluster.objects["pods"]] == [pod]


async def test_a_dead_node_is_lost_contact_until_its_pod_is_taken_away(tmp_path: Path, config: Path) -> None:
    """A stop of it ends in the end, and says what it could not know."""
    async with Server() as server:
        config.write_text(json.dumps(server.kubeconfig()))
        async with beeyard.Master.open(str(tmp_path / "state")) as master:
            view = master.get_worker_state_with_diagnostics
            stop = (StopStep(wait=Duration(1.0)),)
            await master.add_worker(replace(worker(config), stop=stop))
            assert await master.until(lambda: view("w").state == "running", 30)
            (pod,) = server.cluster.objects["pods"]
            server.cluster.dead = True
            server.cluster.lose_node(pod)
            assert await master.until(lambda: view("w").note.startswith("contact lost: its node is lost"), 30)
            await master.stop_worker("w")
            assert await master.until(lambda: view("w").state == "stopped", 60)
            assert server.cluster.objects["pods"] == {}
