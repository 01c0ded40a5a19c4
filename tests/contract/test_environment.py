"""What a real worker of each provider finds in its environment, and that the documentation says so."""

import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from beeyard.adapters.providers import PROVIDERS
from beeyard.adapters.surroundings import EVERYWHERE, TABLE
from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import Endpoint, Listen, ProbeRole, ProbeSpec, WorkerSpec
from beeyard.domain.values import Duration, WorkerId
from beeyard.sdk import Context, Module, loading
from tests.contract.benches import ProcessBench, bench, until
from tests.contract.test_module_provider import Bench as ModuleBench
from tests.contract.test_wasm_provider import Bench as WasmBench
from tests.kube.bench import Bench as KubeBench
from tests.kube.server import Server

DOCUMENT = Path(__file__).parents[2] / "docs" / "environment.md"
PORTS = {"api-v2": 8080}
PROBES: dict[ProbeRole, ProbeSpec] = {"liveness": ProbeSpec("notify", period=Duration(3.0))}
ALWAYS = {"BEEYARD_WORKER": "web.2", "BEEYARD_GROUP": "web", "BEEYARD_INSTANCE": "2", "BEEYARD_ATTEMPT": "7"}
GIVEN = {"BEEYARD_PORT_API_V2": "8080"}
ASKED = {"WATCHDOG_USEC": "3000000"}
INVITED = {"BEEYARD_URL": "http://127.0.0.1:8600", "BEEYARD_REGISTRATION": "bee_web.2_7"}


class Telling(Module[None]):
    """Keeps what its context told it."""

    told: Mapping[str, str] = {}

    async def initialize(self, context: Context[None]) -> None:
        Telling.told = context.environment


loading.register_native_module_factory("test-telling", Telling)


def ours(environment: Mapping[str, str]) -> dict[str, str]:
    """What is Beeyard's, but for the launcher's mark."""
    names = [name for name in environment if name.startswith(("BEEYARD_", "NOTIFY_", "WATCHDOG_"))]
    return {name: environment[name] for name in names if name != "BEEYARD_MARK"}


def named(environment: Mapping[str, str]) -> set[str]:
    """By the names in the table."""
    whole = {name.partition("<")[0]: name for name in (variable.name for variable in TABLE)}
    found = set()
    for name in environment:
        beginnings = [start for start in whole if name == start or (start.endswith("_") and name.startswith(start))]
        found.add(whole[max(beginnings, key=len)])
    return found


def expected(provider: str, *without: str) -> set[str]:
    """What the table says that this provider tells."""
    return {variable.name for variable in TABLE if provider in variable.providers} - set(without)


PASSED = ("LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID")
PACKAGED = ("BEEYARD_PACKAGE", "BEEYARD_PACKAGE_<NAME>")
MODULE = "BEEYARD_MODULE"


def full(spec: WorkerSpec) -> WorkerSpec:
    """With all that a worker can be told, and a lie of its own."""
    run = {**spec.run, "environment": {"BEEYARD_ATTEMPT": "lie", "OWN": "1"}}
    return replace(spec, run=run, endpoints={"api-v2": Endpoint()}, probes=PROBES, register=True)


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[ProcessBench]:
    """Its bench."""
    async with bench("process", "marked", tmp_path / "s") as made:
        yield made


async def told(on: ProcessBench, spec: WorkerSpec) -> dict[str, str]:
    """What the worker finds, by its own program's word."""
    await on.provider.launch(spec, 7, PORTS)
    await until(lambda: on.lines(spec.id)[-1:] == ["end"], "its environment")
    lines = on.lines(spec.id)
    return dict(line.partition("=")[::2] for line in lines[:-1])


SCRIPT = "env; echo end; exec sleep 1000"


async def test_a_process(process: ProcessBench) -> None:
    """All of it; from a package, where that lies as well."""
    spec = full(process.spec(SCRIPT, name="web.2"))
    found = await told(process, spec)
    sockets = {"BEEYARD_SOCKET": process.paths.master_socket, "NOTIFY_SOCKET": process.paths.notify_socket}
    wanted = {**ALWAYS, "BEEYARD_PROVIDER": "process", **GIVEN, **ASKED, **INVITED, **sockets}
    assert (ours(found), found["OWN"]) == (wanted, "1")
    assert named(wanted) == expected("process", *PACKAGED, *PASSED, MODULE)


async def test_a_process_that_is_given_sockets(process: ProcessBench) -> None:
    """Their names in the order of the file, and whom they are meant for; what runs beside it has none of that."""
    endpoints = {"api-v2": Endpoint(listen=Listen()), "web": Endpoint(listen=Listen())}
    spec = replace(process.spec(f"echo LISTENS=$$; {SCRIPT}", name="web.2"), endpoints=endpoints)
    handle = await process.provider.launch(spec, 7, {"api-v2": 0, "web": 0})
    await until(lambda: process.lines(spec.id)[-1:] == ["end"], "its environment")
    found = dict(line.partition("=")[::2] for line in process.lines(spec.id)[:-1])
    assert {name: found[name] for name in PASSED} == {
        "LISTEN_FDS": "2",
        "LISTEN_FDNAMES": "api-v2:web",
        "LISTEN_PID": found["LISTENS"],
    }
    assert (found["BEEYARD_PORT_API_V2"], found["BEEYARD_PORT_WEB"]) == (
        str(handle.ports["api-v2"]),
        str(handle.ports["web"]),
    )
    answer = await process.provider.exec(spec, ("env",), 30.0)
    assert "LISTEN_" not in answer.output


async def test_a_command_beside_it_cannot_register(process: ProcessBench) -> None:
    """It finds the rest."""
    spec = full(process.spec(SCRIPT, name="web.2"))
    found = ours(await told(process, spec))
    answer = await process.provider.exec(spec, ("env",), 30.0)
    beside = ours(dict(line.partition("=")[::2] for line in answer.output.splitlines()))
    assert beside == {name: value for name, value in found.items() if name not in INVITED}


async def test_one_that_is_alone_and_asked_nothing_is_told_little(process: ProcessBench) -> None:
    """Neither instance nor socket nor token."""
    found = ours(await told(process, process.spec(SCRIPT, name="alone")))
    assert found.pop("BEEYARD_PORT_API_V2") == "8080"
    assert found.pop("BEEYARD_SOCKET") == process.paths.master_socket
    assert found == {
        "BEEYARD_WORKER": "alone",
        "BEEYARD_GROUP": "alone",
        "BEEYARD_ATTEMPT": "7",
        "BEEYARD_PROVIDER": "process",
    }


@pytest.mark.needs_docker
@pytest.mark.parametrize("register", [True, False])
async def test_a_container(tmp_path: Path, register: bool) -> None:
    """It is told where to listen within; who registers needs no socket."""
    async with bench("docker", "", tmp_path / "s") as on:
        os.makedirs(on.paths.notify_folder)
        spec = on.spec(SCRIPT, name="web.2", ports={"api-v2": 80}, networks=["none"])
        found = await told(on, replace(full(spec), register=register))
        port = {"BEEYARD_PORT_API_V2": "80"}
        heard = INVITED if register else {"NOTIFY_SOCKET": "/run/beeyard/notify"}
        wanted = {**ALWAYS, "BEEYARD_PROVIDER": "docker", **port, **ASKED, **heard}
        assert ours(found) == wanted
        assert named({**wanted, **INVITED, "NOTIFY_SOCKET": ""}) == expected("docker", *PACKAGED, MODULE)


async def test_a_pod(tmp_path: Path) -> None:
    """The token is in its secret, where nobody reads it who may only look at pods."""
    async with Server() as server:
        on = KubeBench(tmp_path, server)
        try:
            await on.provider.launch(replace(full(on.spec()), id=WorkerId("web.2")), 7, PORTS)
            (kept,) = server.cluster.objects["secrets"].values()
            assert kept["stringData"] == {"value-1": INVITED["BEEYARD_REGISTRATION"]}
            env = server.cluster.pod()["spec"]["containers"][0]["env"]
            reference = {"secretKeyRef": {"name": kept["metadata"]["name"], "key": "value-1"}}
            assert [one["valueFrom"] for one in env if one["name"] == "BEEYARD_REGISTRATION"] == [reference]
            found = {one["name"]: one.get("value", INVITED["BEEYARD_REGISTRATION"]) for one in env}
            wanted = {**ALWAYS, "BEEYARD_PROVIDER": "kubernetes", **GIVEN, **ASKED, **INVITED}
            assert (ours(found), found["OWN"], len(found)) == (wanted, "1", len(env))
            assert named(wanted) == expected("kubernetes")
        finally:
            await on.end()


async def test_webassembly(tmp_path: Path) -> None:
    """It has an environment of its own, and nothing of the master's."""
    on = WasmBench(tmp_path)
    try:
        spec = on.spec("echo", name="web.2", environment={"OWN": "1"})
        on.read("web.2")
        await on.provider.launch(spec, 7, {})
        await on.exited("web.2", 7)
        text = on.read("web.2").decode()
        wanted = {**ALWAYS, "BEEYARD_PROVIDER": "wasm"}
        assert all(f"{name}={value}" in text for name, value in wanted.items()), text
        assert named(wanted) == expected("wasm")
    finally:
        await on.end()


async def test_a_module_within_the_master(tmp_path: Path) -> None:
    """By its context, for it has no environment of its own."""
    on = ModuleBench(tmp_path)
    try:
        spec = WorkerSpec(WorkerId("web.2"), "module", {}, module=ModuleSpec("test-telling"))
        on.launcher.master_socket = "/master.sock"
        await on.provider.launch(spec, 7, PORTS)
        await until(lambda: Telling.told)
        assert Telling.told == {
            **ALWAYS,
            "BEEYARD_PROVIDER": "module",
            **GIVEN,
            "BEEYARD_SOCKET": "/master.sock",
        }
        assert named(Telling.told) == expected("module")
    finally:
        await on.end()


def test_every_provider_is_in_the_table() -> None:
    """But for that of processes which somebody else started, with an environment of their own."""
    assert {*EVERYWHERE, "unmanaged"} == set(PROVIDERS)


def test_the_documentation_is_the_table() -> None:
    """Row by row."""
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    told = {
        variable: "all" if variable.providers == EVERYWHERE else ", ".join(variable.providers) for variable in TABLE
    }
    assert rows == [f"| `{one.name}` | {one.holds} | {told[one]} | {one.takes or 'always'} |" for one in TABLE]
