"""The objects that a worker is in a cluster, as plain values: its pod, or the job around it, and its secret.

Texts arrive in the container as they stand in the worker file: what Kubernetes would expand in them is escaped.
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from beeyard.adapters.providers.kubernetes.naming import CONTAINER, WORKER, labels_of, name_of
from beeyard.adapters.providers.kubernetes.section import KubernetesSection
from beeyard.adapters.surroundings import asked, told
from beeyard.domain.limits import held
from beeyard.domain.secrets import filled, references
from beeyard.domain.spec import WorkerSpec
from beeyard.sdk.notify import REGISTRATION

Object = dict[str, Any]


class Order(Struct, frozen=True):
    """One attempt that is to run. `template`: the pod that its file holds; `filed`: the variables of its env files;
    `invitation`: with what it registers."""

    spec: WorkerSpec
    section: KubernetesSection
    attempt: int
    ports: Mapping[str, int]
    owner: str
    template: Object = {}
    filed: Mapping[str, str] = {}
    invitation: Mapping[str, str] = {}

    @property
    def name(self) -> str:
        """Of all its objects."""
        return name_of(self.owner, self.spec.id, self.attempt)

    @property
    def labels(self) -> dict[str, str]:
        """Of all its objects; nobody else's word stands above ours."""
        return {**self.section.labels, **labels_of(self.owner, self.spec.id, self.attempt)}

    @property
    def secret_variables(self) -> dict[str, str]:
        """Those that nobody is to read in the pod, each with the key under which its text is kept."""
        found = [
            name for name, value in self.section.environment.items() if references(value) and name not in self.told
        ]
        kept = [*found, *(name for name in self.invitation if name == REGISTRATION)]
        return {name: f"value-{number}" for number, name in enumerate(sorted(kept), 1)}

    @property
    def told(self) -> dict[str, str]:
        """What Beeyard says in the environment."""
        return told(self.spec, self.attempt, self.ports) | asked(self.spec) | dict(self.invitation)


def workload(order: Order) -> Object:
    """What is created: the pod, or the job that makes it once."""
    metadata, spec = _metadata(order), _pod(order)
    if order.section.workload == "pod":
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    marks = {"labels": metadata["labels"], "annotations": metadata["annotations"]}
    job = {"backoffLimit": 0, "template": {"metadata": marks, "spec": spec}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": job}


def secret(order: Order, texts: Mapping[str, str], uid: str) -> Object:
    """What the variables of `texts` are to hold. It goes when its workload goes."""
    job = order.section.workload == "job"
    above = {"apiVersion": "batch/v1" if job else "v1", "kind": "Job" if job else "Pod", "name": order.name, "uid": uid}
    metadata = {"name": order.name, "labels": order.labels, "ownerReferences": [above]}
    keys = order.secret_variables
    held_ = {keys[name]: text for name, text in texts.items()}
    return {"apiVersion": "v1", "kind": "Secret", "immutable": True, "metadata": metadata, "stringData": held_}


def _metadata(order: Order) -> Object:
    own = order.template.get("metadata") or {}
    annotations = {**(own.get("annotations") or {}), WORKER: order.spec.id}
    return {
        "name": order.name,
        "labels": {**(own.get("labels") or {}), **order.labels},
        "annotations": annotations,
    }


def _pod(order: Order) -> Object:
    section = order.section
    pod: Object = dict(order.template.get("spec") or {})
    others = list(pod.get("containers") or [])
    at = next((number for number, one in enumerate(others) if one.get("name") == CONTAINER), 0)
    own = others.pop(at) if others else {}
    pod |= {
        "containers": [{**own, **_container(order, own)}, *others],
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": math.ceil(order.spec.stop[0].wait),
        "enableServiceLinks": False,
    }
    if section.service_account:
        pod["serviceAccountName"] = section.service_account
    elif "serviceAccountName" not in pod:
        pod.setdefault("automountServiceAccountToken", False)
    if section.node_selector:
        pod["nodeSelector"] = {**(pod.get("nodeSelector") or {}), **section.node_selector}
    if section.tolerations:
        pod["tolerations"] = [*(pod.get("tolerations") or []), *map(_toleration, section.tolerations)]
    if section.affinity:
        pod["affinity"] = section.affinity
    if section.pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in section.pull_secrets]
    return pod


def _container(order: Order, own: Object) -> Object:
    section = order.section
    added: Object = {"name": CONTAINER, "env": [*(own.get("env") or []), *_environment(order)]}
    if section.image:
        added["image"] = section.image
    if section.pull_policy:
        added["imagePullPolicy"] = section.pull_policy
    if section.command:
        added["command"] = [_exactly(word) for word in section.command]
    if section.args:
        added["args"] = [_exactly(word) for word in section.args]
    if section.working_directory:
        added["workingDir"] = section.working_directory
    if order.ports:
        added["ports"] = [*(own.get("ports") or []), *({"containerPort": port} for port in order.ports.values())]
    if resources := _resources(order, own.get("resources") or {}):
        added["resources"] = resources
    return added


def _environment(order: Order) -> list[Object]:
    kept = order.secret_variables
    found: list[Object] = []
    own = {name: value for name, value in order.section.environment.items() if name not in order.told}
    plain = {name: filled(value, {}) for name, value in own.items() if name not in kept} | order.told
    plain = {**order.filed, **plain}
    for name in dict.fromkeys((*order.told, *order.filed, *own)):
        if name in kept:
            reference = {"name": order.name, "key": kept[name]}
            found.append({"name": name, "valueFrom": {"secretKeyRef": reference}})
        else:
            found.append({"name": name, "value": _exactly(plain[name])})
    return found


def _resources(order: Order, own: Object) -> Object:
    said = {"requests": dict(order.section.resources.requests), "limits": dict(order.section.resources.limits)}
    found: dict[str, dict[str, str]] = {kind: {**(own.get(kind) or {}), **said[kind]} for kind in said}
    bounds = held(order.spec.limits)
    if bounds.memory is not None:
        found["limits"]["memory"] = str(bounds.memory)
    if bounds.cores is not None:
        found["limits"]["cpu"] = f"{math.ceil(bounds.cores * 1000)}m"
    return {kind: quantities for kind, quantities in found.items() if quantities}


def _toleration(toleration: Any) -> Object:
    plain: Object = msgspec.to_builtins(toleration)
    if "seconds" in plain:
        plain["tolerationSeconds"] = plain.pop("seconds")
    return plain


def _exactly(text: str) -> str:
    """Kubernetes puts variables in for `$(NAME)`, and takes `$$` for one dollar."""
    return text.replace("$", "$$")
