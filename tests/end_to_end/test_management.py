"""The service API: workers by the call, with every provider that can be had; each is a worker as any other."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import beeyard
from beeyard.domain.limits import Limit
from beeyard.launcher.paths import Paths
from tests.contract.engines import docker, image
from tests.kube.server import Server
from tests.yard import PATIENCE, Yard, eventually

NAP = ("/bin/sleep", "1000")
DEAF = ("/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.02; done")


@pytest.fixture
async def master(tmp_path: Path) -> AsyncIterator[beeyard.Master]:
    """One within this program."""
    async with beeyard.Master.open(str(tmp_path / "s"), shutdown_timeout=1.0) as made:
        yield made


async def service(master: beeyard.Master, config: beeyard.ProviderConfig) -> beeyard.WorkerManagementService:
    """Over one provider of this master."""
    return beeyard.WorkerManagementService(await beeyard.ProviderFactory(master).create_provider(config))


async def becoming(on: beeyard.WorkerManagementService, worker: str, state: str) -> beeyard.WorkerStatus:
    """How it is once it is so."""
    end = time.monotonic() + PATIENCE
    while (found := await on.get_worker_status(worker)).state != state:
        assert time.monotonic() < end, found
        await asyncio.sleep(0.01)
    return found


PROCESSES = beeyard.ProviderConfig.of("process", "local")


async def test_a_worker_is_made_stopped_told_and_deleted(master: beeyard.Master) -> None:
    """Every argument is honoured; a stopped one is listed still; to delete it twice is fine."""
    on = await service(master, PROCESSES)
    given = {"COLOUR": "green"}
    made = await on.provision_worker("", 0.5, 64, command=NAP, steady=0, environment=given, run={"nice": 1})
    assert (made.provider, made.capabilities.cpu_cores, made.capabilities.memory_gb) == ("process", 0.5, 0.0625)
    assert made.status == await on.get_worker_status(made.id)
    assert (made.status.state, made.status.is_available) == ("running", True)
    [spec] = [supervisor.worker.spec for supervisor in master.find(made.id)]
    run = {"executable_path": "/bin/sleep", "args": ["1000"], "environment": given, "nice": 1}
    assert spec.run == run
    assert spec.limits.bounds == {
        "cpu.max_cores": Limit(0.5, "throttle"),
        "memory.max_rss": Limit(64 * 1024**2, "immediate_kill"),
    }
    await on.stop_worker(made.id)
    assert (await on.get_worker_status(made.id)).state == "exited"
    assert [found.worker_id for found in await on.list_workers()] == [made.id]
    for _ in range(2):
        await on.delete_worker(made.id)
    assert await on.list_workers() == []
    with pytest.raises(beeyard.NotFound):
        await on.get_worker_status(made.id)
    with pytest.raises(beeyard.NotFound):
        await on.stop_worker(made.id)


async def test_without_grace_a_worker_is_killed_at_once_and_is_what_it_was(master: beeyard.Master) -> None:
    """Others of the service go on, and so do those of the file that the worker is of."""
    on = await service(master, PROCESSES)
    made = await on.provision_worker("", 1, 64, command=NAP, steady=0)
    run = {"executable_path": DEAF[0], "args": DEAF[1:]}
    others = [beeyard.WorkerSpec(beeyard.WorkerId(name), "process", run, origin="a file") for name in ("deaf", "other")]
    await master.apply(others, "a file")
    await becoming(on, "deaf", "running")
    [before] = [supervisor.worker.spec for supervisor in master.find("deaf")]
    await on.stop_worker("deaf", graceful=False)
    found = await on.get_worker_status("deaf")
    assert (found.state, found.exit) == ("exited", "SIGKILL")
    assert [supervisor.worker.spec for supervisor in master.find("deaf")] == [before]
    for name in (made.id, "other"):
        assert (await becoming(on, name, "running")).state == "running"


@pytest.mark.parametrize("command", [("/no/such/program",), ("/bin/false",), ("/bin/true",)])
async def test_one_that_does_not_come_up_is_an_error_and_leaves_nothing(
    master: beeyard.Master, command: tuple[str, ...]
) -> None:
    """Neither does one that ends at once: who provisions a worker wants one that works."""
    on = await service(master, PROCESSES)
    with pytest.raises(beeyard.BeeyardError) as caught:
        await on.provision_worker("", 1, 64, command=command, worker_id="short")
    assert isinstance(caught.value, beeyard.Rejected | beeyard.Invalid)
    assert master.get_all_worker_states_with_diagnostics() == []


async def test_what_a_provider_can_not_do_is_refused_before_anything_is_made(master: beeyard.Master) -> None:
    """An image for a process, a provider that there is none of, a configuration nobody made, a name that is taken."""
    on = await service(master, PROCESSES)
    with pytest.raises(beeyard.Invalid) as caught:
        await on.provision_worker("ubuntu:20.04", 1, 64, command=NAP, steady=0)
    assert str(caught.value) == 'image: found "ubuntu:20.04", expected nothing: the provider process has no image'
    with pytest.raises(beeyard.Invalid, match="no provider of this service is called remote"):
        await on.provision_worker("", 1, 64, command=NAP, steady=0, provider="remote")
    with pytest.raises(beeyard.Invalid, match="the master has no provider podman"):
        await service(master, beeyard.ProviderConfig.of("podman", "p"))
    with pytest.raises(beeyard.Invalid, match="the provider docker has no namespace"):
        await service(master, beeyard.ProviderConfig.docker("d").with_namespace("workers"))
    await on.provision_worker("", 1, 64, command=NAP, steady=0, worker_id="web")
    with pytest.raises(beeyard.Refused) as refused:
        await on.provision_worker("", 1, 64, command=NAP, steady=0, worker_id="web")
    assert refused.value.code == "worker_exists"


async def test_several_providers_each_list_their_own(master: beeyard.Master) -> None:
    """And the service all of them; workers of others it does not touch."""
    factory = beeyard.ProviderFactory(master)
    first = await factory.create_provider(PROCESSES)
    second = await factory.create_provider(beeyard.ProviderConfig.of("process", "other"))
    async with beeyard.WorkerManagementService(first, second) as on:
        await on.provision_worker("", 1, 64, command=NAP, steady=0, worker_id="a")
        await on.provision_worker("", 1, 64, command=NAP, steady=0, worker_id="b", provider="other")
        run = {"executable_path": NAP[0], "args": NAP[1:]}
        await master.add_worker(beeyard.WorkerSpec(id=beeyard.WorkerId("c"), provider="process", run=run))
        assert [found.worker_id for found in await second.list_workers()] == ["b"]
        assert [found.worker_id for found in await on.list_workers()] == ["a", "b"]
        able = await on.get_provider_capabilities()
        assert (able.supports_health_checks, able.supports_volumes, able.exact_exits) == (True, False, True)
        assert able.estimated_provision_time_ms is not None
        assert (await beeyard.ProviderFactory(master).create_provider(PROCESSES)).provider_type == "process"


async def test_a_worker_outlives_the_master_that_was_asked_for_it(fresh_yard: Yard) -> None:
    """Through a client; it stands in `ps` with the others."""
    async with beeyard.AsyncClient(state_dir=fresh_yard.paths.state) as client:
        provider = await beeyard.ProviderFactory(client).create_provider(PROCESSES)
        on = beeyard.WorkerManagementService(provider)
        made = await on.provision_worker("", 1, 64, command=NAP, steady=0)
        row = fresh_yard.ps()[made.id]
        old = fresh_yard.pid("master")
        os.kill(old, signal.SIGKILL)
        await asyncio.to_thread(eventually, lambda: fresh_yard.pid("master") != old and fresh_yard.answers())
        assert (await on.get_worker_status(made.id)).state == "running"
        assert fresh_yard.ps()[made.id]["pid"] == row["pid"]
        await on.delete_worker(made.id)
        assert fresh_yard.leaders(made.id) == []


async def test_without_a_master_it_is_said_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the service is made, and not with the first worker."""
    monkeypatch.setenv("BEEYARD_STATE_DIR", str(tmp_path / "nobody"))
    with pytest.raises(beeyard.Unavailable) as caught:
        await beeyard.create_default_worker_management_service()
    assert "beeyard up" in caught.value.hint


# --- containers and pods ----------------------------------------------------------------------------------------------


async def test_pods_get_the_image_the_cores_the_memory_and_the_namespace_that_were_asked_for(
    master: beeyard.Master, tmp_path: Path
) -> None:
    """The service of a cluster never makes containers; and stop and delete are two things."""
    async with Server() as server:
        config = tmp_path / "kubeconfig"
        config.write_text(json.dumps(server.kubeconfig()))
        configured = beeyard.ProviderConfig.kubernetes("k8s-1").with_kube_config(str(config)).with_image("busybox:1.36")
        on = await service(master, configured)
        made = await on.provision_worker("", 2, 4096, command=NAP, steady=0, environment={"COLOUR": "green"})
        pod: dict[str, Any] = server.cluster.pod()
        [container] = pod["spec"]["containers"]
        assert (pod["metadata"]["namespace"], container["image"]) == ("default", "busybox:1.36")
        assert container["command"] == list(NAP)
        assert container["resources"]["limits"] == {"cpu": "2000m", "memory": str(4096 * 1024**2)}
        assert {"name": "COLOUR", "value": "green"} in container["env"]
        assert (await on.get_worker_status(made.id)).state == "running"
        await on.stop_worker(made.id)
        assert server.cluster.objects["pods"] == {}
        assert [(found.worker_id, found.state) for found in await on.list_workers()] == [(made.id, "exited")]
        for _ in range(2):
            await on.delete_worker(made.id)
        assert await on.list_workers() == []


async def test_the_kubernetes_service_is_of_its_namespace(master: beeyard.Master) -> None:
    """As the seed makes it; what a pod is to be made from is refused where it is no file."""
    on = await beeyard.create_kubernetes_worker_management_service("hodei-workers", master)
    assert (await on.get_provider_capabilities()).supports_volumes is False
    [provider] = on._providers.values()
    assert (provider.name, provider.provider_type) == ("k8s-provider", beeyard.ProviderType.KUBERNETES)
    assert provider._config.section("busybox", (), {}, {}) == {"image": "busybox", "namespace": "hodei-workers"}
    templated = await service(master, beeyard.ProviderConfig.kubernetes("t").with_pod_template("{}"))
    with pytest.raises(beeyard.Invalid) as caught:
        await templated.provision_worker("busybox", 1, 64)
    assert "run.template" in str(caught.value)


@pytest.mark.needs_docker
async def test_containers_get_what_was_asked_for_and_tell_their_states_apart(master: beeyard.Master) -> None:
    """Created, running, paused, exited and gone; an image that runs nothing is an error that says what to do, and
    leaves no container."""
    on = await beeyard.create_default_worker_management_service(master)
    owned = ("--filter", f"label=beeyard.owner={Paths(master.place.state_dir).identity}")
    made = await on.provision_worker(image(), 2, 4096, command=NAP, steady=0)
    try:
        [seen] = json.loads(docker("inspect", docker("ps", "-q", *owned)))
        host = seen["HostConfig"]
        assert (host["NanoCpus"], host["Memory"], host["AutoRemove"]) == (2_000_000_000, 4096 * 1024**2, False)
        assert (seen["Config"]["Image"], seen["Config"]["Cmd"]) == (image(), list(NAP))
        assert f"BEEYARD_WORKER={made.id}" in seen["Config"]["Env"]
        docker("pause", seen["Id"])
        assert not (await becoming(on, made.id, "paused")).is_available
        docker("unpause", seen["Id"])
        assert (await becoming(on, made.id, "running")).is_available
        await on.stop_worker(made.id, graceful=False)
        assert (await on.get_worker_status(made.id)).state == "exited"
        with pytest.raises(beeyard.Rejected) as caught:
            await on.provision_worker(image(), 1, 64, command=("/bin/true",))
        assert caught.value.code == "not_provisioned"
    finally:
        await on.delete_worker(made.id)
    await on.delete_worker(made.id)
    assert docker("ps", "-aq", *owned) == ""
