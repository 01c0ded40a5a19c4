"""What goes wrong in clusters, and what the kubernetes provider makes of it: on the scripted one only."""

import asyncio
import gc
import json
import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import beeyard.adapters.providers.kubernetes.place as places
from beeyard.adapters.providers.kubernetes import access, ending, metering, tracking
from beeyard.adapters.providers.kubernetes import provider as provider_module
from beeyard.adapters.providers.kubernetes.api import Api
from beeyard.adapters.providers.kubernetes.commands import UNENDED
from beeyard.domain.errors import Rejected, Unavailable
from beeyard.domain.messages import Exit
from beeyard.domain.spec import StopStep
from beeyard.ports.provider import Answer, Reading, Sight
from tests.certificates import Authority
from tests.contract.benches import until
from tests.kube.bench import IMAGE, Bench
from tests.kube.cluster import Cluster, Object, Refusal
from tests.kube.server import Call, Fault, Server

BACK_OFF = 'Back-off pulling image "nowhere.invalid/x:1"'
NO_ROOM = "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 No preemption."


@pytest.fixture
async def on(tmp_path: Path) -> AsyncIterator[Bench]:
    """A provider on a cluster that does nothing by itself but what a test says."""
    async with Server() as server:
        made = Bench(tmp_path, server)
        yield made
        await made.end()


async def waiting(on: Bench, **run: Any) -> str:
    """Launched, and nothing more. Returns the name of its pod."""
    on.server.cluster.works = False
    handle = await on.provider.launch(on.spec(**run), 1, {})
    return str(handle.state["name"])


# --- reasons --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (lambda on, pod: on.refuse(pod), f"no node takes it: {NO_ROOM}"),
        (lambda on, pod: on.place(pod), "its node prepares it"),
        (lambda on, pod: on.wait(pod, "ImagePullBackOff", BACK_OFF), f"its image can't be had: {BACK_OFF}"),
        (lambda on, pod: on.wait(pod, "InvalidImageName"), "its image can't be had: InvalidImageName"),
        (
            lambda on, pod: on.wait(pod, "CreateContainerConfigError", 'secret "x" not found'),
            'worker can\'t be started: secret "x" not found',
        ),
        (
            lambda on, pod: on.status(
                pod,
                containerStatuses=on.container(
                    pod,
                    3,
                    {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                    waiting={"reason": "CrashLoopBackOff", "message": "back-off 40s"},
                ),
            ),
            "worker was restarted 3 times, it ended out of memory: back-off 40s",
        ),
    ],
)
async def test_why_it_waits_is_said(on: Bench, happens: Callable[[Cluster, str], None], said: str) -> None:
    """In words for people, and seen where the worker is described."""
    pod = await waiting(on)
    happens(on.server.cluster, pod)
    await until(lambda: said in on.said(), f"{said}: {on.said()}")
    assert on.provider.describe(on.spec()) == {"image": IMAGE, "pod": f"default/{pod}", "waits_for": said}
    on.server.cluster.run(pod)
    await until(lambda: on.said()[-1] == "", "no reason any more")


@pytest.mark.parametrize(
    ("happens", "exit"),
    [
        (lambda on, pod: on.end(pod, 137, "OOMKilled"), Exit(137, oom=True)),
        (lambda on, pod: on.end(pod, 0, signal=9), Exit(signal=9)),
        (
            lambda on, pod: on.end(pod, 128, "StartError", message='exec: "nope": not found'),
            Exit(128, note='its container did not start: exec: "nope": not found'),
        ),
        (
            lambda on, pod: on.end(pod, 137, "ContainerStatusUnknown", message="The container could not be located"),
            Exit(note="its end was not seen: The container could not be located"),
        ),
        (
            lambda on, pod: on.evict(pod),
            Exit(note="evicted: The node was low on resource: memory. Threshold quantity: 100Mi, available: 52Mi."),
        ),
        (lambda on, pod: on.vanish(pod), Exit(note="somebody deleted its pod")),
        (lambda on, pod: on.delete("pods", pod, 30), Exit(143)),
    ],
)
async def test_how_it_ended_is_told(on: Bench, happens: Callable[[Cluster, str], None], exit: Exit) -> None:
    """What nobody saw is unknown: a code that the kubelet made up is none."""
    pod = await on.runs(on.spec())
    if exit.note.startswith(("evicted", "its end")):
        on.server.cluster.status(pod, containerStatuses=[])
    happens(on.server.cluster, pod)
    assert await on.exited() == exit


async def test_a_lost_node_is_lost_contact_and_no_end(on: Bench) -> None:
    """It may run there; when the node is found to be gone that is its end."""
    pod = await on.runs(on.spec())
    on.server.cluster.lose_node(pod)
    reason = "its node is lost, or does not want it any more: Taint manager: deleting due to NoExecute taint"
    await until(lambda: on.contact() == [("lost", reason)], str(on.seen))
    on.server.cluster.vanish(pod)
    assert (await on.exited()).note == f"somebody deleted its pod: {reason}"


async def test_a_silent_node_is_lost_contact(on: Bench) -> None:
    """Before anybody says so: the cluster takes back that its pod is ready, while its kubelet's word stands."""
    pod = await on.runs(on.spec())
    ready, containers = ({"type": kind, "status": "True"} for kind in ("Ready", "ContainersReady"))
    on.server.cluster.status(pod, conditions=[{**ready, "status": "False"}, containers])
    await until(lambda: on.contact() == [("lost", "its node does not answer")])
    on.server.cluster.status(pod, conditions=[ready, containers])
    await until(lambda: [kind for kind, _ in on.contact()] == ["lost", "found"], str(on.seen))


async def test_a_pod_of_a_dead_node_is_taken_away_by_force_when_it_is_killed_again(on: Bench) -> None:
    """Not by a stop, nor by a first kill: it may have time to end. That it may run on there is said."""
    pod = await on.runs(on.spec())
    on.server.cluster.dead = True
    on.server.cluster.lose_node(pod)
    await until(lambda: [kind for kind, _ in on.contact()] == ["lost"], str(on.seen))
    await on.provider.terminate("w", 1, StopStep(), 1)
    await on.provider.kill("w", 1)
    assert pod in on.server.cluster.objects["pods"]
    await on.provider.kill("w", 1)
    reason = "its node is lost, or does not want it any more: Taint manager: deleting due to NoExecute taint"
    assert await on.exited() == Exit(note=f"taken away by force, it may run on there: {reason}")
    assert on.server.cluster.objects["pods"] == {}


async def test_why_a_job_gets_no_pod_is_said(on: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in no pod: the cluster's events tell."""
    monkeypatch.setattr(tracking, "PODLESS", 0.0)
    monkeypatch.setattr(tracking, "ASKED", 0.01)
    on.server.cluster.admission = quota
    await on.provider.launch(on.spec(workload="job"), 1, {})
    await until(on.said, "a reason")
    begin, end = "its job gets no pod: Error creating: pods", "is forbidden: exceeded quota: few, requested: pods=1"
    assert on.said()[0].startswith(begin)
    assert end in on.said()[0]


async def test_what_is_not_started_in_time_has_ended(on: Bench) -> None:
    """With the reason that kept it, and its pod is taken away."""
    pod = await waiting(on)
    on.server.cluster.wait(pod, "ErrImagePull", "not found")
    await until(on.said, "a reason")
    on.provider._tracking.overdue(on.tracked())
    assert await on.exited() == Exit(note="it was not started in time: its image can't be had: not found")
    await until(lambda: not on.server.cluster.objects["pods"], "no pod")


async def test_what_is_not_started_in_time_does_not_outlive_its_destroy(on: Bench) -> None:
    """Also where it could not be taken away at once, and is on its node by then: the next attempt can begin."""
    pod = await waiting(on)
    on.server.cluster.place(pod)
    on.server.faults.append(Fault("delete", 503))
    on.provider._tracking.overdue(on.tracked())
    await on.exited()
    await until(lambda: not on.server.faults, "it could not be taken away")
    await on.provider.destroy("w", 1)
    await until(lambda: not on.server.cluster.objects["pods"], "no pod")
    on.server.cluster.works = True
    assert await on.runs(on.spec(), 2)


async def test_the_next_attempt_waits_for_one_that_is_going(on: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is no failure of it: later it can begin."""
    monkeypatch.setattr(provider_module, "AGAIN", 0.0)
    pod = await on.runs(on.spec())
    on.server.cluster.stubborn = True
    await on.provider.terminate("w", 1, StopStep(), 1)
    with pytest.raises(Unavailable) as waits:
        await on.provider.launch(on.spec(), 2, {})
    assert str(waits.value) == f"attempt 1 of w has yet to go (pod {pod})"
    await on.provider.kill("w", 1)
    await on.exited()
    assert await on.runs(on.spec(), 2)


async def test_a_job_that_made_no_pod_can_be_ended(on: Bench) -> None:
    """Nobody else would tell of its end."""
    await waiting(on, workload="job")
    await on.provider.terminate("w", 1, StopStep(), 1)
    assert await on.exited() == Exit(note="it had no pod when it was to end")
    assert on.server.cluster.objects["jobs"] == {}


async def test_what_went_while_nobody_was_there_is_missing(on: Bench) -> None:
    """And it is forgotten."""
    spec = on.spec()
    pod = await on.runs(spec)
    handle = await on.provider.launch(spec, 1, {})
    await on.another_owner()
    on.server.cluster.vanish(pod)
    assert await on.provider.attach(spec, 1, handle) == Sight("missing")
    assert on.provider.describe(spec) == {"image": IMAGE}


async def test_pods_are_found_wherever_an_attempt_ran_that_is_not_forgotten(on: Bench, tmp_path: Path) -> None:
    """Also by an owner that launched nothing yet; a cluster that can't be asked hides none of another one."""
    async with Server() as other:
        config = tmp_path / "other"
        config.write_text(json.dumps(other.kubeconfig()))
        await on.runs(on.spec())
        await on.runs(on.spec(name="w1", kubeconfig=str(config)))
        await on.another_owner()
        found = {(owned.worker, owned.alive): owned for owned in await on.provider.list_owned()}
        assert {*found} == {("w", True), ("w1", True)}
        assert found["w1", True].handle.state["kubeconfig"] == str(config)
        assert found["w1", True].since is not None
    await on.another_owner()
    assert [owned.worker for owned in await on.provider.list_owned()] == ["w"]
    await on.provider.kill("w", 1)
    await until(lambda: not on.server.cluster.objects["pods"], "what nobody attached to can be ended")
    await on.provider.destroy("w", 1)
    destroying = asyncio.ensure_future(on.provider.destroy("w1", 1))
    await on.leave()
    with pytest.raises(Unavailable):
        await destroying
    assert [path.name for path in Path(on.launcher.paths.pods).iterdir()] == ["w1@1"]


async def test_what_was_refused_is_not_looked_for(on: Bench) -> None:
    """Nothing was made there, by any of many tries."""
    on.server.cluster.admission = policy
    with pytest.raises(Rejected):
        await on.provider.launch(on.spec(), 1, {})
    assert [*Path(on.launcher.paths.pods).iterdir()] == []


@pytest.mark.parametrize("workload", ["pod", "job"])
@pytest.mark.parametrize("status", [403, 404])
async def test_what_can_not_have_its_secret_is_not_left_behind(on: Bench, workload: str, status: int) -> None:
    """It could never begin, and would keep the next attempt from beginning."""

    def refused(resource: str, body: Object) -> None:
        if resource == "secrets":
            raise Refusal(status, "Forbidden", "secrets is forbidden: exceeded quota: few")

    on.secrets.sources, on.secrets.values = {"key": None}, {"key": "x"}  # type: ignore[dict-item]
    on.server.cluster.admission = refused
    spec = on.spec(workload=workload, environment={"KEY": "${secret:key}"})
    with pytest.raises(Rejected, match="exceeded quota"):
        await on.provider.launch(spec, 1, {})
    await until(lambda: not on.server.cluster.objects["pods"] and not on.server.cluster.objects["jobs"], "nothing left")
    assert [*Path(on.launcher.paths.pods).iterdir()] == []
    on.server.cluster.admission = lambda resource, body: None
    assert await on.runs(spec, 2)


# --- what it uses, what it writes -------------------------------------------------------------------------------------


async def test_what_it_uses_is_as_the_metrics_tell(on: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes as they are, seconds of CPU summed up; and nothing of a pod that was not measured yet."""
    now = [100.0]
    monkeypatch.setattr(metering, "monotonic", lambda: now[0])
    pod = await on.runs(on.spec())
    on.server.usage = {}
    assert await on.provider.usages([("w", 1), ("x", 1)]) == [None, None]
    assert await on.provider.stirred() is None
    on.server.usage = {pod: ("500m", "64Mi")}
    now[0] += metering.FRESH
    assert await on.provider.usages([("w", 1)]) == [Reading(0.0, 64 * 2**20, 1)]
    now[0] += 4.0
    assert await on.provider.usages([("w", 1)]) == [Reading(2.0, 64 * 2**20, 1)]
    on.server.usage = {pod: ("1", "32Mi")}
    now[0] += metering.FRESH
    assert await on.provider.usages([("w", 1)]) == [Reading(7.0, 32 * 2**20, 1)]
    assert on.server.calls.count(Call("list", "metrics.k8s.io", "pods")) == 3


async def test_a_cluster_without_metrics_is_told_once(on: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """And not asked on and on."""
    caplog.set_level("INFO", "beeyard")
    await on.runs(on.spec())
    assert [await on.provider.usages([("w", 1)]) for _ in range(3)] == [[None]] * 3
    assert on.server.calls.count(Call("list", "metrics.k8s.io", "pods")) == 1
    (said,) = [record.getMessage() for record in caplog.records if "has no metrics" in record.getMessage()]
    assert said.startswith("what the pods of the namespace default use is not known")


@pytest.mark.parametrize(("minor", "splits"), [("30", False), ("32+", False), ("33", True)])
async def test_its_streams_are_told_apart_where_the_cluster_can(on: Bench, minor: str, splits: bool) -> None:
    """Elsewhere both are stdout, and no line comes twice: an older server passes over what it does not know."""
    on.server.minor, on.server.splits = minor, splits
    pod = await on.runs(on.spec())
    on.server.cluster.write(pod, "out")
    on.server.cluster.write(pod, "err", stream="Stderr")
    on.server.cluster.end(pod, 0)
    await on.exited()
    await on.provider.drain("w")
    assert (on.lines(), on.lines(stream="stderr")) == ((["out"], ["err"]) if splits else (["out", "err"], []))


async def test_last_words_that_can_not_be_had_hold_up_nothing(
    on: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither who reads them nor who clears away after that; that they are missing is said."""
    monkeypatch.setattr(provider_module, "LAST_WORDS", 0.1)
    pod = await on.runs(on.spec())
    on.server.faults += [Fault("get", 503)] * 10_000
    on.server.cluster.end(pod, 0)
    await on.exited()
    await on.provider.drain("w")
    await on.provider.destroy("w", 1)
    assert on.server.cluster.objects["pods"] == {}
    assert "w: what attempt 1 wrote last could not be copied" in caplog.messages


async def test_a_log_that_can_not_be_had_says_nothing_of_others(on: Bench) -> None:
    """Its kubelet refuses it for this pod: those of the next one are told apart."""
    on.server.minor, on.server.splits = "33", True
    on.server.faults.append(Fault("get", 400))
    await on.runs(on.spec())
    await until(lambda: not on.server.faults, "it was refused")
    pod = await on.runs(on.spec(name="w1"))
    on.server.cluster.write(pod, "err", stream="Stderr")
    await until(lambda: on.lines("w1", "stderr") == ["err"], "its stderr")
    assert on.lines("w1") == []


# --- refusals -------------------------------------------------------------------------------------------------------


def quota(resource: str, body: Object) -> None:
    """As the quota's admission says it: of pods."""
    if resource != "pods":
        return
    name = body["metadata"]["name"]
    text = f'pods "{name}" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2'
    raise Refusal(403, "Forbidden", text, name=name, kind="pods")


def policy(resource: str, body: Object) -> None:
    """As a webhook says it."""
    text = 'admission webhook "validate.example" denied the request: containers must not run as root'
    raise Refusal(400, "BadRequest", text)


def rights(resource: str, body: Object) -> None:
    """As RBAC says it."""
    who = 'User "me" cannot create resource "pods" in API group "" in the namespace "default"'
    raise Refusal(403, "Forbidden", f"pods is forbidden: {who}")


@pytest.mark.parametrize(
    ("admission", "code"),
    [(quota, "kubernetes_quota"), (policy, "kubernetes_admission"), (rights, "kubernetes_forbidden")],
)
async def test_who_refused_it_is_said(on: Bench, admission: Callable[[str, Object], None], code: str) -> None:
    """In the cluster's own words; nothing is left."""
    on.server.cluster.admission = admission
    with pytest.raises(Rejected) as refused:
        await on.provider.launch(on.spec(), 1, {})
    assert refused.value.code == code
    with pytest.raises(Refusal) as said:
        admission("pods", {"metadata": {"name": next(iter(str(refused.value).split('"')[1:]), "")}})
    assert str(refused.value) == str(said.value)
    assert refused.value.hint
    assert on.server.cluster.objects["pods"] == {}


async def test_what_the_api_finds_wrong_is_said(on: Bench) -> None:
    """Field by field, and a namespace that is not there by its name."""
    with pytest.raises(Rejected, match=r"spec.containers\[0\].image: Required value"):
        await on.provider.launch(on.spec(image=""), 1, {})
    with pytest.raises(Rejected, match='namespaces "elsewhere" not found'):
        await on.provider.launch(on.spec(namespace="elsewhere"), 1, {})


async def test_a_pod_of_somebody_else_is_left_alone(on: Bench) -> None:
    """Even if it has our name."""
    pod = await waiting(on)
    on.server.cluster.pod(pod)["metadata"]["labels"] = {"app": "theirs"}
    await on.another_owner()
    with pytest.raises(Rejected) as refused:
        await on.provider.launch(on.spec(), 1, {})
    assert str(refused.value) == f"there is a pod {pod} that is not this worker's"


# --- faults of the API ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault("create", cut=True), Fault("create", late=True), Fault("create", 503)])
async def test_a_create_that_failed_is_repeated_and_makes_one_pod(
    on: Bench, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it worked although nobody was told so."""
    monkeypatch.setattr(provider_module, "AGAIN", 0.0)
    on.server.faults.append(fault)
    with pytest.raises(Unavailable):
        await on.provider.launch(on.spec(), 1, {})
    assert await on.runs(on.spec())
    assert len(on.server.cluster.objects["pods"]) == 1


@pytest.mark.parametrize(
    "fault", [Fault("delete", cut=True), Fault("delete", 503), Fault("delete", 429, {"Retry-After": "0.01"})]
)
async def test_an_order_stands_until_the_cluster_has_answered(
    on: Bench, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop, a kill, and to forget it: one failed request loses none of them."""
    monkeypatch.setattr(ending, "AGAIN", 0.01)
    await on.runs(on.spec())
    on.server.faults.append(fault)
    await on.provider.terminate("w", 1, StopStep(), 1)
    assert await on.exited() == Exit(143)
    await on.runs(on.spec(), 2)
    on.server.faults.append(fault)
    await on.provider.kill("w", 2)
    assert await on.exited(attempt=2) == Exit(143)
    pod = await on.runs(on.spec(), 3)
    on.server.cluster.end(pod, 0)
    await on.exited(attempt=3)
    on.server.faults.append(fault)
    await on.provider.destroy("w", 3)
    assert (on.server.faults, on.server.cluster.objects["pods"]) == ([], {})


async def test_an_order_that_was_carried_out_unanswered_is_ours(on: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else ended it."""
    monkeypatch.setattr(ending, "AGAIN", 0.01)
    await waiting(on)
    on.server.faults.append(Fault("delete", late=True))
    await on.provider.terminate("w", 1, StopStep(), 1)
    assert await on.exited() == Exit(note="deleted as asked; how it ended, its node did not say")


@pytest.mark.parametrize("order", ["terminate", "kill"])
async def test_an_order_does_not_stand_for_one_that_ended(
    on: Bench, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the cluster can't answer it; nor longer than there is an owner."""
    monkeypatch.setattr(ending, "AGAIN", 0.01)

    def ordered(attempt: int) -> asyncio.Task[None]:
        on.server.faults += [Fault("delete", 503)] * 10_000
        provider = on.provider
        if order == "terminate":
            return asyncio.create_task(provider.terminate("w", attempt, StopStep(), 1))
        return asyncio.create_task(provider.kill("w", attempt))

    pod = await on.runs(on.spec())
    ordering = ordered(1)
    await until(lambda: len(on.server.faults) < 9_999, "it was tried again")
    on.server.cluster.end(pod, 3)
    await ordering
    assert await on.exited() == Exit(3)
    await on.runs(on.spec(), 2)
    ordering = ordered(2)
    await on.leave()
    with pytest.raises(Unavailable):
        await ordering


async def test_an_order_that_was_refused_is_not_why_it_ended(on: Bench) -> None:
    """Who has no right to delete it did not."""
    pod = await waiting(on)
    on.server.faults.append(Fault("delete", 403))
    with pytest.raises(Rejected):
        await on.provider.terminate("w", 1, StopStep(), 1)
    on.server.cluster.vanish(pod)
    assert await on.exited() == Exit(note="somebody deleted its pod")


@pytest.mark.parametrize("verb", ["list", "create"])
async def test_the_page_of_a_proxy_is_no_answer(on: Bench, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes with 200: what was asked for is tried again, and what happens is seen."""
    monkeypatch.setattr(provider_module, "AGAIN", 0.0)
    on.server.faults += [Fault(verb, page="<html>")] * 2
    while on.server.faults:
        with pytest.raises(Unavailable, match="JSON is malformed"):
            await on.provider.launch(on.spec(), 1, {})
    pod = await on.runs(on.spec())
    on.server.faults.append(Fault("list", page="<html>"))
    assert await on.provider.usages([("w", 1)]) == [None]
    on.server.cluster.end(pod, 4)
    assert await on.exited() == Exit(4)


async def test_no_invitation_is_made_while_the_cluster_can_not_be_asked(
    on: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is written down for good, and there is a try a second."""
    monkeypatch.setattr(provider_module, "AGAIN", 0.0)
    spec = on.spec(more={"register": True})
    on.server.faults += [Fault("list", 503)] * 1000  # Others ask as well.
    for _ in range(3):
        with pytest.raises(Unavailable):
            await on.provider.launch(spec, 1, {})
    on.server.faults.clear()
    assert on.invitations.invited == []
    await on.runs(spec)
    assert (on.invitations.invited, on.invitations.waits) == ([("w", 1)], [300.0])
    [secret] = on.server.cluster.objects["secrets"].values()
    assert secret["stringData"] == {"value-1": "bee_w_1"}


async def test_the_wait_that_the_api_asks_for_is_kept(on: Bench) -> None:
    """429, and what it says."""
    on.server.faults.append(Fault("create", 429, {"Retry-After": "0.01"}))
    with pytest.raises(Unavailable) as limited:
        await on.provider.launch(on.spec(), 1, {})
    assert getattr(limited.value, "retry_after", None) == 0.01
    assert await on.runs(on.spec())


@pytest.mark.parametrize("how", ["event", "status"])
async def test_what_happened_while_the_watch_was_too_old_is_told(on: Bench, how: str) -> None:
    """410 as an event or as a status: listed again, compared, and told."""
    pod = await on.runs(on.spec())
    on.server.bad_watch = how
    on.server.cluster.end(pod, 5)
    on.server.cluster.vanish(pod)
    on.server.cluster.events.clear()
    on.server.cluster.forget()
    await on.server.cut_streams()
    assert (await on.exited()).note == "somebody deleted its pod"


async def test_streams_that_end_go_on_where_they_were(on: Bench) -> None:
    """In order or in the middle of a line; no list is needed, and no line of the log is lost or doubled."""
    pod = await on.runs(on.spec())
    lists = on.server.calls.count(Call("list", "", "pods"))
    cluster = on.server.cluster
    cluster.write(pod, "one", "2026-01-01T00:00:01.100000000Z")
    cluster.write(pod, "two", "2026-01-01T00:00:01.100000000Z")
    await until(lambda: on.lines() == ["one", "two"], str(on.lines()))
    on.server.bookmark()
    on.server.end_streams()
    cluster.write(pod, "three", "2026-01-01T00:00:01.100000000Z")
    cluster.write(pod, "four", "2026-01-01T00:00:01.200000000Z")
    await until(lambda: on.lines() == ["one", "two", "three", "four"], str(on.lines()))
    cluster.end(pod, 4)
    assert await on.exited() == Exit(4)
    await on.provider.drain("w")
    assert on.lines() == ["one", "two", "three", "four"]
    assert on.server.calls.count(Call("list", "", "pods")) == lists


async def test_a_token_that_was_renewed_is_read_again(on: Bench) -> None:
    """Nobody notices."""
    await on.runs(on.spec())
    on.server.token = "another"
    config = on.server.kubeconfig(token="another")
    Path(on.config).write_text(json.dumps(config))
    assert await on.sight() == Sight("running")


async def test_a_cluster_that_is_gone_is_lost_contact_and_found_again(on: Bench, tmp_path: Path) -> None:
    """Who comes while it is not there takes what its record says for true, until it can be looked at."""
    spec = on.spec()
    handle = await on.provider.launch(spec, 1, {})
    await on.another_owner()
    on.server.faults += [Fault("list", 503), Fault("list", 503)]
    assert await on.provider.attach(spec, 1, handle) == Sight("running", waits=handle.waits)
    await until(lambda: [kind for kind, _ in on.contact()][-1:] == ["found"], str(on.seen))
    assert on.contact()[0][0] == "lost"


# --- how it is reached ----------------------------------------------------------------------------------------------


async def test_certificates_are_shown_and_looked_at(tmp_path: Path) -> None:
    """The client's own, as the kubeconfig names them; a server of another authority is not spoken to."""
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    certificate, key = map(str, ours.issue("client"))
    async with Server(ours.server(clients=ours)) as server:
        for authority in (ours, theirs):
            config = server.kubeconfig(**{"client-certificate": certificate, "client-key": key, "token": server.token})
            config["clusters"][0]["cluster"]["certificate-authority"] = str(authority.file)
            (tmp_path / authority.file.stem).write_text(json.dumps(config))
        api = Api(str(tmp_path / "ours"), "")
        try:
            assert json.loads(await api.ask("GET", "/api/v1/namespaces/default/pods"))["items"] == []
        finally:
            await api.close()
        api = Api(str(tmp_path / "theirs"), "")
        try:
            with pytest.raises(Unavailable, match="certificate verify failed"):
                await api.ask("GET", "/api/v1/namespaces/default/pods")
        finally:
            await api.close()


async def test_within_a_cluster_its_service_account_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token, the authority and the namespace that every pod finds."""
    from kubernetes_asyncio.config import incluster_config

    authority = Authority(tmp_path, "cluster")
    async with Server(authority.server()) as server:
        (tmp_path / "token").write_text(server.token)
        (tmp_path / "namespace").write_text("default\n")
        monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(authority.file))
        monkeypatch.setattr(access, "NAMESPACE", str(tmp_path / "namespace"))
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("KUBECONFIG", raising=False)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", server.url.rpartition(":")[2])
        api = Api("", "")
        try:
            assert await api.namespace() == "default"
            assert json.loads(await api.ask("GET", "/api/v1/namespaces/default/pods"))["items"] == []
        finally:
            await api.close()


# --- beside it ------------------------------------------------------------------------------------------------------


async def test_a_command_that_takes_too_long_is_ended(on: Bench) -> None:
    """With all that it started, and what it said until then is had."""
    spec = on.spec()
    await on.runs(spec)
    script = "sleep 1000 & echo $$ $!; wait"
    answer = await on.provider.exec(spec, ("sh", "-c", script), 1.0)
    assert (answer.code, answer.timed_out) == (None, True)
    pids = [int(word) for word in answer.output.split()]
    assert len(pids) == 2
    await until(lambda: not any(map(alive, pids)), f"{pids} ended")


async def test_a_command_where_there_is_no_shell_runs_without(on: Bench) -> None:
    """And that it can't be ended is said."""
    spec = on.spec()
    await on.runs(spec)
    on.server.programs.clear()
    assert await on.provider.exec(spec, ("echo", "yes"), 10.0) == Answer(0, "yes\n")
    answer = await on.provider.exec(spec, ("sleep", "1000"), 0.2)
    assert answer == Answer(None, UNENDED, timed_out=True)
    assert on.server.executed[-1] == ["sleep", "1000"]


def alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


async def test_the_role_that_is_shipped_is_what_is_asked_for(on: Bench) -> None:
    """No right is missing, and none is for nothing. A newer API asks `create` of who opens an exec's websocket."""
    from ruamel.yaml import YAML

    on.secrets.sources, on.secrets.values = {"key": None}, {"key": "x"}  # type: ignore[dict-item]
    for number, workload in enumerate(("pod", "job"), 1):
        spec = on.spec(name=f"w{number}", workload=workload, environment={"KEY": "${secret:key}"})
        await on.runs(spec)
        await on.another_owner()
        await on.runs(spec)
        await on.provider.exec(spec, ("true",), 10.0)
        await on.provider.usages([(spec.id, 1)])
        await on.provider.terminate(spec.id, 1, StopStep(), 1)
        await on.exited(spec.id)
        await on.provider.destroy(spec.id, 1)
    on.server.cluster.admission = quota
    await on.provider.launch(on.spec(workload="job"), 1, {})
    await until(lambda: Call("list", "", "events") in on.server.calls, "why there is no pod")
    text = Path(places.__file__).with_name("rbac.yaml").read_text()
    (role,) = [found for found in YAML(typ="safe").load_all(text) if found["kind"] == "Role"]
    allowed = {
        Call(verb, group, resource)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert allowed == {*on.server.calls, Call("create", "", "pods/exec")}


async def test_a_thousand_pods_fit_into_twenty_megabytes(on: Bench) -> None:
    """In pages, and nothing is kept of them that nobody needs."""
    await waiting(on)
    cluster = on.server.cluster
    (known,) = cluster.objects["pods"].values()
    for number in range(1000):
        copied = {**known, "metadata": {**known["metadata"], "name": f"p{number}", "uid": f"u{number}"}}
        copied["metadata"]["managedFields"] = [{"manager": "kubelet", "fieldsV1": {"f:status": "x" * 3000}}]
        cluster.objects["pods"][f"p{number}"] = copied
    (place,) = on.provider._places.known()
    gc.collect()
    tracemalloc.start()
    try:
        listed = await place._list()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(listed.things) == 1001
    assert kept < 20 * 1024**2
