"""What a pod's status says, in our words: whether it waits, runs or ended, how, and why, as a person can read it."""

from typing import Literal

from msgspec import Struct

from beeyard.adapters.providers.kubernetes.naming import CONTAINER, marked
from beeyard.adapters.providers.kubernetes.shapes import Condition, Container, Pod, Terminated
from beeyard.domain.messages import Exit

DISRUPTIONS = {
    "PreemptionByScheduler": "it made room for a more important pod",
    "DeletionByTaintManager": "its node is lost, or does not want it any more",
    "EvictionByEvictionAPI": "it was evicted on request",
    "DeletionByPodGC": "its node is gone",
    "TerminationByKubelet": "its node ended it",
}
PULLS = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
MADE_UP = {"ContainerStatusUnknown"}
"""Reasons with which the kubelet fills in an exit code that nobody saw."""
ORDINARY = {"Completed", "Error", "OOMKilled", ""}


class Seen(Struct, frozen=True, gc=False):
    """One pod, as far as anybody here cares. `created`: wall-clock seconds; `reason`: why it waits, or what is wrong;
    `going`: it is deleted; `lost`: nobody hears of it."""

    worker: str
    attempt: int
    name: str
    uid: str
    created: float | None
    state: Literal["waiting", "running", "ended"]
    reason: str = ""
    exit: Exit | None = None
    going: bool = False
    lost: bool = False


def seen(pod: Pod) -> Seen | None:
    """What it is to us; None: no worker of ours."""
    known = marked(pod.metadata)
    if known is None:
        return None
    container = _container(pod)
    ended = container.state.terminated if container else None
    made, going = pod.metadata.creation_timestamp, pod.metadata.deletion_timestamp is not None
    marks = (*known, pod.metadata.name, pod.metadata.uid, made.timestamp() if made else None)
    if ended is not None or pod.status.phase in ("Succeeded", "Failed"):
        exit = _exit(pod, ended)
        return Seen(*marks, "ended", exit.note, exit, going)
    if container is not None and container.state.running is not None:
        reason, lost = _running(pod, container)
        return Seen(*marks, "running", reason, going=going, lost=lost)
    return Seen(*marks, "waiting", waits(pod), going=going)


def waits(pod: Pod) -> str:
    """Why it does not run yet."""
    scheduled = _condition(pod, "PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        return _joined("no node takes it", scheduled.message or scheduled.reason)
    statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    for container in statuses:
        waiting = container.state.waiting
        if waiting is None or waiting.reason in ("ContainerCreating", "PodInitializing", ""):
            continue
        if waiting.reason in PULLS:
            return _joined("its image can't be had", waiting.message or waiting.reason)
        return _joined(_crashes(container) or f"{container.name} can't be started", waiting.message or waiting.reason)
    for container in pod.status.init_container_statuses:
        if crashes := _crashes(container):
            return crashes
    return "its node prepares it" if pod.spec.node_name else "it waits for a node"


def gone(known: Seen, asked: bool, forced: bool = False) -> Exit:
    """How one ended that is not there any more; `asked`: by us; `forced`: without hearing of its node."""
    if known.exit is not None:
        return known.exit
    if forced:
        return Exit(note=_joined("taken away by force, it may run on there", known.reason))
    if asked:
        return Exit(note="deleted as asked; how it ended, its node did not say")
    return Exit(note=_joined("somebody deleted its pod", known.reason if known.state == "running" else ""))


def _container(pod: Pod) -> Container | None:
    found = pod.status.container_statuses
    return next((one for one in found if one.name == CONTAINER), found[0] if len(found) == 1 else None)


def _exit(pod: Pod, ended: Terminated | None) -> Exit:
    note = _disruption(pod)
    if pod.status.reason == "Evicted":
        note = _joined("evicted", pod.status.message)
    elif pod.status.reason == "DeadlineExceeded":
        note = "it ran longer than its pod may"
    elif pod.status.reason and not note and ended is None:
        note = _joined(f"refused by its node ({pod.status.reason})", pod.status.message)
    if ended is None or ended.reason in MADE_UP:
        return Exit(note=note or _joined("its end was not seen", ended.message if ended else ""))
    if ended.reason not in ORDINARY:
        note = note or _joined("its container did not start", ended.message or ended.reason)
    signal = ended.signal or None
    return Exit(None if signal else ended.exit_code, signal, oom=ended.reason == "OOMKilled", note=note)


def _running(pod: Pod, container: Container) -> tuple[str, bool]:
    """What is wrong with one that runs, and whether its node is not heard of any more."""
    if pod.status.reason == "NodeLost" or pod.status.phase == "Unknown":
        return _joined("its node is lost", pod.status.message), True
    if disruption := _disruption(pod):
        return disruption, "node is lost" in disruption
    # A kubelet says both, of its own knowledge; when it is silent, the cluster takes back only the first one.
    ready, containers = _condition(pod, "Ready"), _condition(pod, "ContainersReady")
    if ready and containers and (ready.status, ready.reason, containers.status) == ("False", "", "True"):
        return "its node does not answer", True
    return _crashes(container), False


def _crashes(container: Container) -> str:
    """A kubelet shows CrashLoopBackOff for moments only: how often it was restarted, and the last end, stay."""
    last = container.last_state.terminated or container.state.terminated
    if not container.restart_count or last is None:
        return ""
    how = "out of memory" if last.reason == "OOMKilled" else f"with code {last.exit_code}"
    times = "once" if container.restart_count == 1 else f"{container.restart_count} times"
    return f"{container.name} was restarted {times}, it ended {how}"


def _disruption(pod: Pod) -> str:
    found = _condition(pod, "DisruptionTarget")
    if found is None or found.status != "True":
        return ""
    return _joined(DISRUPTIONS.get(found.reason, "it was ended by the cluster"), found.message)


def _condition(pod: Pod, kind: str) -> Condition | None:
    return next((condition for condition in pod.status.conditions if condition.type == kind), None)


def _joined(text: str, more: str) -> str:
    return f"{text}: {more.strip()}" if more.strip() else text
