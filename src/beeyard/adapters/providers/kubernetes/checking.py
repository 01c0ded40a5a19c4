"""What keeps a spec from running as a pod, found without asking the cluster."""

import os
from collections.abc import Iterator
from importlib.util import find_spec

from beeyard.adapters.providers.kubernetes import template
from beeyard.adapters.providers.kubernetes.access import INSTALL, files, within
from beeyard.adapters.providers.kubernetes.section import KubernetesSection
from beeyard.domain.errors import Problem
from beeyard.domain.limits import kept_as
from beeyard.domain.secrets import references
from beeyard.domain.spec import WorkerSpec

HELD = {"memory": "the kubelet, which kills what exceeds it", "cores": "the kubelet, which slows it down"}
ASKED = ("http", "tcp", "grpc")
HERE = ("127.0.0.1", "localhost", "::1")


def problems(spec: WorkerSpec, section: KubernetesSection) -> list[Problem]:
    """Everything wrong, each thing with its path below the spec."""
    return [
        *_missing(section),
        *template.problems(section.template, section.image or spec.package),
        *_malformed(section),
        *_stopped(spec),
        *_limits(spec),
        *_elsewhere(spec, section),
    ]


def _missing(section: KubernetesSection) -> Iterator[Problem]:
    if find_spec("kubernetes_asyncio") is None:
        found = "kubernetes, without kubernetes_asyncio"
        yield Problem("provider", found, "kubernetes_asyncio to be installed", hint=INSTALL)
    named = files(section.kubeconfig)
    if not named and not within():
        hint = "name a `kubeconfig`, set KUBECONFIG, or run it in a cluster"
        yield Problem("run.kubeconfig", "no kubeconfig", "a cluster to run in", hint=hint)
    elif named and not any(os.path.isfile(path) for path in named.split(":")):
        yield Problem("run.kubeconfig", f"no file {named}", "a kubeconfig")


def _malformed(section: KubernetesSection) -> Iterator[Problem]:
    for variable, value in section.environment.items():
        try:
            references(value)
        except ValueError as error:
            yield Problem(f"run.environment.{variable}", "a reference to no secret", str(error))


def _stopped(spec: WorkerSpec) -> Iterator[Problem]:
    if spec.stop[0].signal != 15:
        hint = "an image may name another one as its STOPSIGNAL"
        yield Problem("stop", f"signal {spec.stop[0].signal}", "SIGTERM, which is what a kubelet sends", hint=hint)


def _limits(spec: WorkerSpec) -> Iterator[Problem]:
    for name, limit in spec.limits.bounds.items():
        if limit.policy != "none" and kept_as(name, limit) not in HELD:
            expected = "memory.max_rss with immediate_kill or restart, or cpu.max_cores with throttle"
            hint = "what runs in a cluster is not measured from here"
            yield Problem(f"limits.{name}", f"policy {limit.policy}", expected, hint=hint)


def _elsewhere(spec: WorkerSpec, section: KubernetesSection) -> Iterator[Problem]:
    """What only makes sense of a process of this host."""
    if spec.package and section.image:
        yield Problem("run.image", section.image, f"none: {spec.package} is the image")
    if spec.module is not None:
        yield Problem("module", "a module", "none: its image is what it runs")
    for role, probe in spec.probes.items():
        if probe.means not in (*ASKED, "exec", "log", *(["notify"] if spec.register else [])):
            hint = "with `register: true`, notify as well"
            yield Problem(f"probes.{role}.means", probe.means, "http, tcp, grpc, exec or log", hint=hint)
        elif probe.means in ASKED and (endpoint := spec.endpoints.get(probe.endpoint)) and endpoint.host in HERE:
            hint = "name a service that leads to it as the endpoint's `host`, or probe it by exec"
            found = f"{endpoint.host}, where no pod answers"
            yield Problem(f"endpoints.{probe.endpoint}.host", found, "a host that leads to the pod", hint=hint)
