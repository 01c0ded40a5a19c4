"""What a cluster holds, and what its scheduler and its kubelet do with it: at once by themselves, or when a test says.

Written from the API's reference and from recorded answers, not from what its client needs: names, phases, reasons and
texts are those of Kubernetes 1.30.
"""

import asyncio
import re
import uuid
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
COUNTING = 0.05
"""Seconds that the controller of jobs takes to let a pod go."""
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def stamp() -> str:
    """Now, as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Refusal(Exception):
    """A `Status` instead of an answer."""

    def __init__(self, code: int, reason: str, message: str, **details: Any) -> None:
        self.code = code
        self.body = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "details": details,
            "code": code,
        }
        super().__init__(message)


class Cluster:
    """One namespace `default`, one node. `works`: the scheduler and the kubelet do what they can at once; `stubborn`:
    its containers don't mind SIGTERM; `dead`: the node does nothing any more."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Object]] = {"pods": {}, "jobs": {}, "secrets": {}}
        self.version = 1000
        self.events: list[tuple[int, str, Object]] = []
        self.kept = 0
        self.stirred = asyncio.Event()
        self.works = True
        self.stubborn = False
        self.dead = False
        self.admission: Callable[[str, Object], None] = lambda resource, body: None
        self.output: dict[str, list[tuple[str, str, str]]] = {}
        self.said: list[Object] = []

    # --- what the API does ------------------------------------------------------------------------------------------

    def create(self, resource: str, body: Object) -> Object:
        """Raises Refusal."""
        name = body["metadata"]["name"]
        self._valid(resource, name, body)
        self.admission(resource, body)
        if name in self.objects[resource]:
            raise Refusal(409, "AlreadyExists", f'{resource} "{name}" already exists', name=name, kind=resource)
        made = deepcopy(body)
        made["metadata"] |= {"uid": str(uuid.uuid4()), "namespace": "default", "creationTimestamp": stamp()}
        if resource == "pods":
            made["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
        self.objects[resource][name] = made
        self.changed(resource, "ADDED", made)
        answer = deepcopy(made)
        if resource == "pods" and self.works:
            asyncio.get_running_loop().call_soon(self.run, name)
        if resource == "jobs" and self.works:
            asyncio.get_running_loop().call_soon(self._pod_of, made)
        return answer

    def get(self, resource: str, name: str) -> Object:
        """Raises Refusal."""
        found = self.objects[resource].get(name)
        if found is None:
            raise Refusal(404, "NotFound", f'{resource} "{name}" not found', name=name, kind=resource)
        return deepcopy(found)

    def delete(self, resource: str, name: str, grace: int | None) -> Object:
        """As `strategy.CheckGracefulDelete`: what runs nowhere goes at once, else its kubelet is asked."""
        found = self.get(resource, name)
        if resource != "pods":
            self._gone(resource, name)
            for pod in [*self.objects["pods"].values()]:
                if any(one["uid"] == found["metadata"]["uid"] for one in pod["metadata"].get("ownerReferences", [])):
                    self.delete("pods", pod["metadata"]["name"], None)
            return found
        pod = self.objects[resource][name]
        wanted = pod["spec"].get("terminationGracePeriodSeconds", 30) if grace is None else grace
        marks = pod["metadata"]
        if not wanted or not pod["spec"].get("nodeName") or pod["status"]["phase"] in ("Succeeded", "Failed"):
            if marks.get("finalizers"):  # Until the controller of jobs has counted it.
                marks.setdefault("deletionTimestamp", stamp())
                self.changed("pods", "MODIFIED", pod)
                asyncio.get_running_loop().call_later(COUNTING, self._gone, resource, name)
            else:
                self._gone(resource, name)
            return found
        if "deletionTimestamp" in marks and marks["deletionGracePeriodSeconds"] <= wanted:
            return found
        marks |= {"deletionTimestamp": stamp(), "deletionGracePeriodSeconds": wanted}
        self.changed("pods", "MODIFIED", pod)
        if not self.dead and (not self.stubborn or wanted <= 1):
            asyncio.get_running_loop().call_soon(self.finish, name, 137 if self.stubborn else 143)
        return found

    def forget(self) -> None:
        """Compact: no watch can begin before now."""
        self.kept = self.version

    def changed(self, resource: str, kind: str, found: Object) -> None:
        """It has another version now, and whoever watches is told."""
        self.version += 1
        found["metadata"]["resourceVersion"] = str(self.version)
        if resource == "pods":
            self.events.append((self.version, kind, deepcopy(found)))
        self.wake()

    def wake(self) -> None:
        """Let all who wait for something new look."""
        waited, self.stirred = self.stirred, asyncio.Event()
        waited.set()

    def _gone(self, resource: str, name: str) -> None:
        found = self.objects[resource].pop(name, None)
        if found is None:
            return
        self.changed(resource, "DELETED", found)
        for secret in [*self.objects["secrets"].values()]:
            if any(one["uid"] == found["metadata"]["uid"] for one in secret["metadata"].get("ownerReferences", [])):
                self._gone("secrets", secret["metadata"]["name"])

    def _valid(self, resource: str, name: str, body: Object) -> None:
        wrong = []
        if not NAME.fullmatch(name):
            wrong.append(("metadata.name", f'Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of'))
        for key, value in body["metadata"].get("labels", {}).items():
            if not LABEL.fullmatch(value):
                wrong.append((f"metadata.labels.{key}", f'Invalid value: "{value}"'))
        if resource == "pods":
            for number, one in enumerate(body["spec"].get("containers") or []):
                if not one.get("image"):
                    wrong.append((f"spec.containers[{number}].image", "Required value"))
            if not body["spec"].get("containers"):
                wrong.append(("spec.containers", "Required value"))
        if wrong:
            kind = {"pods": "Pod", "jobs": "Job.batch", "secrets": "Secret"}[resource]
            causes = [{"reason": "FieldValueInvalid", "message": text, "field": field} for field, text in wrong]
            text = ", ".join(f"{field}: {text}" for field, text in wrong)
            raise Refusal(422, "Invalid", f'{kind} "{name}" is invalid: {text}', name=name, causes=causes)

    def _pod_of(self, job: Object) -> None:
        name = job["metadata"]["name"]
        template = deepcopy(job["spec"]["template"])
        above = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job["metadata"]["uid"]}
        marks = template["metadata"] | {"name": f"{name}-x7k2p", "ownerReferences": [above | {"controller": True}]}
        marks["labels"] = marks["labels"] | {"batch.kubernetes.io/job-name": name}
        marks["finalizers"] = ["batch.kubernetes.io/job-tracking"]
        try:
            self.create("pods", {"apiVersion": "v1", "kind": "Pod", "metadata": marks, "spec": template["spec"]})
        except Refusal as refusal:
            self.said.append(
                {
                    "involvedObject": {"kind": "Job", "name": name, "uid": job["metadata"]["uid"]},
                    "type": "Warning",
                    "reason": "FailedCreate",
                    "message": f"Error creating: {refusal}",
                    "lastTimestamp": stamp(),
                }
            )

    # --- what scheduler and kubelet do ------------------------------------------------------------------------------

    def pod(self, name: str = "") -> Object:
        """The one of this name, or the only one."""
        pods = self.objects["pods"]
        return pods[name] if name else next(iter(pods.values()))

    def status(self, name: str, **status: Any) -> None:
        """The pod's status is this from now on, as far as it is said."""
        pod = self.objects["pods"].get(name)
        if pod is not None:
            pod["status"] |= status
            self.changed("pods", "MODIFIED", pod)

    def container(self, name: str, restarts: int = 0, last: Object | None = None, **state: Any) -> list[Object]:
        """What a kubelet says of the worker's container, the first of its pod."""
        spec = self.pod(name)["spec"]["containers"][0]
        return [
            {
                "name": spec["name"],
                "image": spec["image"],
                "imageID": "",
                "ready": "running" in state,
                "started": "running" in state,
                "restartCount": restarts,
                "state": state,
                "lastState": last or {},
            }
        ]

    def place(self, name: str) -> None:
        """A node takes it."""
        self.pod(name)["spec"]["nodeName"] = "node-1"
        condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": stamp()}
        self.status(name, conditions=[condition])

    def refuse(self, name: str) -> None:
        """No node takes it."""
        message = "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 No preemption."
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        self.status(name, conditions=[condition])

    def wait(self, name: str, reason: str, message: str = "") -> None:
        """Its container waits."""
        waiting = {"reason": reason, **({"message": message} if message else {})}
        self.status(name, containerStatuses=self.container(name, waiting=waiting))

    def run(self, name: str) -> None:
        """It is placed, and its container runs."""
        if name in self.objects["pods"] and "deletionTimestamp" not in self.pod(name)["metadata"]:
            self.place(name)
            image = self.pod(name)["spec"]["containers"][0]["image"]
            if image.partition("/")[0].endswith(".invalid"):  # No such host is, ever (RFC 2606).
                self.wait(name, "ErrImagePull", f'failed to pull and unpack image "{image}": no such host')
                return
            self.status(
                name,
                phase="Running",
                podIP="10.1.0.7",
                containerStatuses=self.container(name, running={"startedAt": stamp()}),
            )
            self._script(name)

    def _script(self, name: str) -> None:
        """What `sh -c` would make of simple words: `echo TEXT`, `exit N`, and `sleep` for ever."""
        shell, option, *script = [*self.pod(name)["spec"]["containers"][0].get("command", ["", ""]), *([""] * 2)][:3]
        for words in script[0].split("; ") if (shell, option) == ("sh", "-c") else []:
            verb, _, rest = words.partition(" ")
            if verb == "echo":
                self.write(name, rest)
            elif verb == "exit":
                self.end(name, int(rest))

    def end(self, name: str, code: int, reason: str = "", **more: Any) -> None:
        """Its container ends by itself."""
        reason = reason or ("Completed" if code == 0 else "Error")
        ended = {"exitCode": code, "reason": reason, "startedAt": stamp(), "finishedAt": stamp(), **more}
        phase = "Succeeded" if code == 0 else "Failed"
        self.status(name, phase=phase, containerStatuses=self.container(name, terminated=ended))

    def finish(self, name: str, code: int) -> None:
        """What was asked to end ends, and then is no more."""
        if name in self.objects["pods"]:
            self.end(name, code)
            self._gone("pods", name)

    def evict(self, name: str) -> None:
        """Its node is short of memory."""
        message = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 52Mi. "
        condition = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": message}
        self.status(name, phase="Failed", reason="Evicted", message=message, conditions=[condition])

    def lose_node(self, name: str) -> None:
        """Its node is not heard of any more, and its pods are to go elsewhere."""
        message = "Taint manager: deleting due to NoExecute taint"
        condition = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}
        pod = self.pod(name)
        pod["metadata"] |= {"deletionTimestamp": stamp(), "deletionGracePeriodSeconds": 30}
        self.status(name, conditions=[{**condition, "message": message}])

    def vanish(self, name: str) -> None:
        """Somebody deletes it by force."""
        self._gone("pods", name)

    def write(self, name: str, text: str, at: str = "", stream: str = "Stdout") -> None:
        """Its container writes a line; `at` has nanoseconds."""
        moment = at or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        self.output.setdefault(name, []).append((moment, text, stream))
        self.wake()
