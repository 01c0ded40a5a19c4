"""What a worker's section becomes in a cluster, what is refused before, and how a cluster is reached."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from beeyard.adapters.copying import Copying
from beeyard.adapters.host.launcher import LauncherClient
from beeyard.adapters.means import Means
from beeyard.adapters.providers.kubernetes import access, launching, output
from beeyard.adapters.providers.kubernetes.metering import quantity
from beeyard.adapters.providers.kubernetes.naming import labels_of, name_of, owner_of
from beeyard.adapters.providers.kubernetes.output import PIECE, Lines, moment
from beeyard.adapters.providers.kubernetes.pods import Order, workload
from beeyard.adapters.providers.kubernetes.provider import KubernetesProvider
from beeyard.adapters.providers.kubernetes.section import KubernetesSection
from beeyard.adapters.providers.kubernetes.template import read as read_template
from beeyard.domain.errors import NotFound, Refused, Rejected, Unavailable
from beeyard.domain.limits import Limit, Limits
from beeyard.domain.packages import Manifest
from beeyard.domain.plain import read
from beeyard.domain.spec import Endpoint, ProbeSpec, StopStep, WorkerSpec
from beeyard.domain.values import Duration, SignalNumber, WorkerId
from beeyard.launcher.paths import Paths
from tests.fakes.invitations import FakeInvitations
from tests.fakes.notify import FakeNotices
from tests.fakes.secrets import FakeSecrets

CONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "first",
    "contexts": [
        {"name": "first", "context": {"cluster": "a", "user": "token"}},
        {"name": "second", "context": {"cluster": "b", "user": "plugin", "namespace": "bees"}},
    ],
    "clusters": [
        {"name": "a", "cluster": {"server": "http://127.0.0.1:1"}},
        {"name": "b", "cluster": {"server": "http://127.0.0.1:2/"}},
    ],
    "users": [{"name": "token", "user": {"token": "t-1"}}],
}


TOLD = [
    {"name": f"BEEYARD_{name}", "value": value}
    for name, value in (("WORKER", "w"), ("GROUP", "w"), ("ATTEMPT", "1"), ("PROVIDER", "kubernetes"))
]


class NoLauncher:
    """Is there, and is not asked."""

    def __init__(self, folder: Path) -> None:
        self.paths = Paths(str(folder))
        self.on_greeted: list[Callable[[], None]] = []


def spec(more: dict[str, Any] | None = None, **run: Any) -> WorkerSpec:
    """A worker with this section."""
    return WorkerSpec(id=WorkerId("w"), provider="kubernetes", run={"image": "i:1", **run}, **(more or {}))


def made(worker: WorkerSpec, template: dict[str, Any] | None = None) -> dict[str, Any]:
    """What is created for it."""
    section = read(worker.run, KubernetesSection, "run")
    return workload(Order(worker, section, 1, {"http": 8080}, "0ab1", template or {}))


@pytest.fixture
def kubeconfig(tmp_path: Path) -> str:
    """One with two contexts; the second has an exec plugin."""
    plugin = tmp_path / "plugin"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "t-2"}}
    plugin.write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
    plugin.chmod(0o755)
    run = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}
    users = [*cast(list[Any], CONFIG["users"]), {"name": "plugin", "user": {"exec": run}}]
    path = tmp_path / "config"
    path.write_text(json.dumps({**CONFIG, "users": users}))
    return str(path)


@pytest.fixture
def provider(tmp_path: Path) -> KubernetesProvider:
    """One that launches nothing."""
    launcher = cast(LauncherClient, NoLauncher(tmp_path))
    return KubernetesProvider(Means(launcher, FakeSecrets(), FakeNotices(), FakeInvitations()))


# --- what is created ------------------------------------------------------------------------------------------------


def test_every_field_is_honoured() -> None:
    """What a worker file says stands in the pod."""
    limits = Limits({"memory.max_rss": Limit(2**28, "immediate_kill"), "cpu.max_percent": Limit(50, "throttle")})
    worker = spec(
        {"limits": limits, "stop": (StopStep(wait=Duration(7.5)),)},
        command=["run", "$(HOME)"],
        args=["$5"],
        environment={"A": "$$b"},
        resources={"requests": {"cpu": "100m"}, "limits": {"nvidia.com/gpu": "1", "memory": "1Gi"}},
        service_account="bee",
        node_selector={"disk": "ssd"},
        tolerations=[{"key": "gpu", "operator": "Exists", "effect": "NoExecute", "seconds": 60}],
        affinity={"nodeAffinity": {}},
        working_directory="/srv",
        pull_policy="Never",
        pull_secrets=["registry"],
        labels={"team": "red", "beeyard/owner": "me"},
    )
    pod = made(worker)
    assert (pod["kind"], pod["metadata"]["name"]) == ("Pod", name_of("0ab1", "w", 1))
    assert pod["metadata"]["labels"] == {"team": "red", **labels_of("0ab1", "w", 1)}
    assert pod["spec"] == {
        "containers": [
            {
                "name": "worker",
                "image": "i:1",
                "imagePullPolicy": "Never",
                "command": ["run", "$$(HOME)"],
                "args": ["$$5"],
                "workingDir": "/srv",
                "env": [
                    {"name": "BEEYARD_WORKER", "value": "w"},
                    {"name": "BEEYARD_GROUP", "value": "w"},
                    {"name": "BEEYARD_ATTEMPT", "value": "1"},
                    {"name": "BEEYARD_PROVIDER", "value": "kubernetes"},
                    {"name": "BEEYARD_PORT_HTTP", "value": "8080"},
                    {"name": "A", "value": "$$$$b"},
                ],
                "ports": [{"containerPort": 8080}],
                "resources": {
                    "requests": {"cpu": "100m"},
                    "limits": {"nvidia.com/gpu": "1", "memory": str(2**28), "cpu": "500m"},
                },
            }
        ],
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 8,
        "enableServiceLinks": False,
        "serviceAccountName": "bee",
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}],
        "affinity": {"nodeAffinity": {}},
        "imagePullSecrets": [{"name": "registry"}],
    }


def test_a_template_is_what_the_section_is_put_upon(tmp_path: Path) -> None:
    """Its container `worker` is the worker, the others stay, and so does all that the section does not speak of."""
    path = tmp_path / "pod.yaml"
    path.write_text(
        "kind: Pod\nmetadata: {labels: {a: b}}\nspec:\n  priorityClassName: high\n"
        "  containers: [{name: side, image: s}, {name: worker, image: old, volumeMounts: [{name: v}]}]\n"
    )
    pod = made(spec(template=str(path)), read_template(str(path)))
    assert pod["metadata"]["labels"]["a"] == "b"
    assert pod["spec"]["priorityClassName"] == "high"
    assert [(one["name"], one["image"]) for one in pod["spec"]["containers"]] == [("worker", "i:1"), ("side", "s")]
    assert pod["spec"]["containers"][0]["volumeMounts"] == [{"name": "v"}]


async def test_env_files_come_first_and_what_beeyard_says_last(tmp_path: Path) -> None:
    """A variable of the worker file stands above one of a file, and nobody speaks in Beeyard's name."""
    path = tmp_path / ".env"
    path.write_text("A=file\nB='$(HOME)'\nBEEYARD_WORKER=other\n")
    worker = spec(env_file=[str(path)], environment={"A": "own", "BEEYARD_GROUP": "other"})
    section = read(worker.run, KubernetesSection, "run")
    order = await launching.order(worker, section, 1, {}, "0ab1")
    found = workload(order)["spec"]["containers"][0]["env"]
    assert found == [*TOLD, {"name": "A", "value": "own"}, {"name": "B", "value": "$$(HOME)"}]
    path.unlink()
    with pytest.raises(Rejected, match=r"env_file .*: No such file"):
        await launching.order(worker, section, 1, {}, "0ab1")


def test_a_job_makes_its_pod_once() -> None:
    """The pod is found by the same marks."""
    job = made(spec(workload="job"))
    assert (job["apiVersion"], job["kind"], job["spec"]["backoffLimit"]) == ("batch/v1", "Job", 0)
    assert job["spec"]["template"]["metadata"]["labels"] == job["metadata"]["labels"]


@pytest.mark.parametrize("worker", ["w", "a_B.7", "x" * 64 + ".12345", "--", "_"])
def test_every_worker_has_a_name_that_kubernetes_takes(worker: str) -> None:
    """And one of its own: what looks alike after its letters were changed is told by the digest."""
    name = name_of("0ab1", worker, 12345)
    assert len(name) <= 63
    assert name[0].isalnum()
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert name != name_of("0ab1", worker.replace("_", "-") + "-", 12345)


def test_the_owner_is_the_state_folder(tmp_path: Path) -> None:
    """The same each time it is asked for, and another one elsewhere."""
    first = owner_of(str(tmp_path / "owner"))
    assert owner_of(str(tmp_path / "owner")) == first
    assert owner_of(str(tmp_path / "other")) != first
    assert {path.name for path in tmp_path.iterdir()} == {"owner", "other"}


# --- what is refused ------------------------------------------------------------------------------------------------


def test_what_a_cluster_can_not_do_is_refused(provider: KubernetesProvider, kubeconfig: str, tmp_path: Path) -> None:
    """All of it at once, each thing with its place."""
    template = tmp_path / "pod.yaml"
    template.write_text("kind: Pod\nspec: {restartPolicy: Always, containers: []}\n")
    more = {
        "stop": (StopStep(SignalNumber(2)),),
        "limits": Limits({"memory.max_rss": Limit(2**28, "log"), "cpu.max_time": Limit(5, "restart")}),
        "endpoints": {"http": Endpoint("http", 80)},
        "probes": {"readiness": ProbeSpec("http", endpoint="http"), "liveness": ProbeSpec("notify")},
        "package": "echo",
    }
    run = {"kubeconfig": kubeconfig, "environment": {"A": "${secret:}"}, "template": str(template)}
    assert [problem.path for problem in provider.check(spec(more, **run))] == [
        "run.template",
        "run.environment.A",
        "stop",
        "limits.memory.max_rss",
        "limits.cpu.max_time",
        "run.image",
        "endpoints.http.host",
        "probes.liveness.means",
    ]
    assert provider.check(spec(kubeconfig=kubeconfig)) == []


def test_a_package_is_the_image_and_nothing_else(provider: KubernetesProvider, kubeconfig: str) -> None:
    """By its digest; one of files is refused with what to do."""
    worker = spec({"package": "echo"}, kubeconfig=kubeconfig, image="")
    assert provider.check(worker) == []
    manifest = Manifest(name="echo", version="1.2.0")
    equipment = provider.equip(worker, manifest, "/store/echo", {}, "registry.example.org/echo@sha256:0a")
    assert equipment.run["image"] == "registry.example.org/echo@sha256:0a"
    with pytest.raises(Refused, match=r"echo 1\.2\.0 is no image, and its files are not in the cluster") as refused:
        provider.equip(worker, manifest, "/store/echo", {}, "")
    assert (refused.value.code, refused.value.hint) == (
        "package_no_image",
        "build it as an image: `beeyard package build --oci`",
    )
    with pytest.raises(Refused, match=r"echo 1\.2\.0 needs lib, whose files are not in the cluster"):
        provider.equip(worker, manifest, "/store/echo", {"lib": "/store/lib"}, "registry.example.org/echo@sha256:0a")


# --- how a cluster is reached ---------------------------------------------------------------------------------------


async def test_contexts_tokens_and_plugins_are_understood(kubeconfig: str) -> None:
    """As kubectl does."""
    first, second = await access.reach(kubeconfig, ""), await access.reach(kubeconfig, "second")
    assert (first.host, first.namespace, first.headers) == (
        "http://127.0.0.1:1",
        "default",
        {"authorization": "Bearer t-1"},
    )
    assert (second.host, second.namespace) == ("http://127.0.0.1:2", "bees")
    assert second.headers == {"authorization": "Bearer t-2"}
    assert "t-1" not in repr(first)


async def test_what_is_wrong_with_a_kubeconfig_is_said(kubeconfig: str) -> None:
    """With the file that it stands in."""
    with pytest.raises(Rejected) as rejected:
        await access.reach(kubeconfig, "third")
    assert rejected.value.code == "kubernetes_access"
    assert str(rejected.value).startswith(f"the access to the cluster can't be had from {kubeconfig}: ")


async def test_without_a_cluster_it_says_what_to_do(
    provider: KubernetesProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """When it is checked, and when it is asked for."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    (problem,) = provider.check(spec())
    assert (problem.path, problem.found) == ("run.kubeconfig", "no kubeconfig")
    with pytest.raises(Rejected) as rejected:
        await access.reach("", "")
    assert (rejected.value.code, rejected.value.hint) == ("kubernetes_no_cluster", problem.hint)


async def test_without_the_library_it_says_how_to_get_it(kubeconfig: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra's name."""
    for name in [name for name in sys.modules if name.startswith("kubernetes_asyncio")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "kubernetes_asyncio", None)
    with pytest.raises(Rejected) as rejected:
        await access.reach(kubeconfig, "")
    assert (rejected.value.code, rejected.value.hint) == ("kubernetes_missing", access.INSTALL)


# --- output ---------------------------------------------------------------------------------------------------------

AT, LATER = "2026-03-29T00:59:59.000000001Z", "2026-03-29T01:00:00.000000001Z"


def test_lines_are_taken_when_they_are_whole() -> None:
    """A long one in pieces of one size, however it comes; and what has no time is none of them."""
    assert list(Lines().feed(b"rest of a line\nno logs: gone\n")) == []
    lines = Lines()
    assert list(lines.feed(f"{AT} a\n{LATER} b".encode())) == [(AT, b"a\n")]
    assert list(lines.feed(b"c\n")) == [(LATER, b"bc\n")]
    text = f"{AT} {'x' * 2 * PIECE}\n{LATER} b\n".encode()
    expected = list(Lines().feed(text))
    assert b"".join(piece for at, piece in expected if at == AT) == b"x" * 2 * PIECE + b"\n"
    assert max(len(piece) for _, piece in expected) <= PIECE
    lines = Lines()
    assert [one for byte in text for one in lines.feed(bytes([byte]))] == expected


class Taken:
    """What was copied, instead of where it goes."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    async def find(self) -> None:
        """It knows."""

    def begin(self, *streams: str) -> str:
        """From the beginning."""
        return ""

    async def take(self, found: Iterable[tuple[str, str, bytes]]) -> None:
        """All of them."""
        self.lines += [line for _, _, line in found]

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Unavailable("kubernetes_unavailable", "the API server is not there"), b"last\n"),
        (NotFound("kubernetes_not_found", "it is gone"), b""),
        (Rejected("kubernetes_invalid", "its container never began"), b""),
    ],
)
async def test_the_last_words_are_asked_for_until_there_is_an_answer(
    monkeypatch: pytest.MonkeyPatch, error: Exception, text: bytes
) -> None:
    """Also one that says that there are none."""
    monkeypatch.setattr(output, "AGAIN", 0.0)
    failures = [error]

    async def follow(stream: str, since: str) -> AsyncGenerator[bytes, None]:
        yield b""
        if failures:
            raise failures.pop()
        yield b"2026-01-01T00:00:01.1Z last"

    taken = Taken()
    await output.copy(follow, cast(Copying, taken), False, asyncio.Event(), lambda: True, "w")
    assert b"".join(taken.lines) == text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-03-29T00:59:59.000000001Z", AT),
        ("2026-03-29T01:59:59.000000001+01:00", AT),
        ("2026-03-29T03:00:00.000000001+02:00", LATER),
        ("2026-03-29T00:59:59.5Z", "2026-03-29T00:59:59.500000000Z"),
        ("unable", ""),
    ],
)
def test_times_are_compared_whatever_zone_their_node_is_in(written: str, meant: str) -> None:
    """Also over the change to summer time, when a clock on a wall goes an hour on."""
    assert moment(written.encode()) == meant


def test_quantities_are_read_as_kubernetes_writes_them() -> None:
    """Of cores and of bytes."""
    assert [quantity(text) for text in ("1", "250m", "12345n", "7u")] == [
        Decimal(1),
        Decimal("0.25"),
        Decimal("0.000012345"),
        Decimal("0.000007"),
    ]
    assert [quantity(text) for text in ("8Ki", "3Mi", "1G", "?")] == [8192, 3 * 2**20, 10**9, 0]
