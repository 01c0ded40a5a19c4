"""What keeps a section from running, found before anything is started. It looks, and changes nothing."""

import ipaddress
import os
from collections.abc import Iterator

from beeyard.adapters import modules
from beeyard.adapters.providers.docker import holding
from beeyard.adapters.providers.docker.container import SPECIAL, address
from beeyard.adapters.providers.docker.engine import Engine
from beeyard.adapters.providers.docker.section import DockerSection
from beeyard.domain.errors import Problem
from beeyard.domain.limits import held, kept_as
from beeyard.domain.secrets import references
from beeyard.domain.spec import WorkerSpec


def unfit(spec: WorkerSpec, section: DockerSection) -> list[Problem]:
    """Everything, each thing with its path below the spec."""
    return [
        *_malformed(section),
        *_mounts(section),
        *_network(spec, section),
        *_bounds(spec),
        *_impossible(spec),
        *_unheard(spec, section),
    ]


def _malformed(section: DockerSection) -> Iterator[Problem]:
    for variable, value in section.environment.items():
        try:
            references(value)
        except ValueError as error:
            yield Problem(f"run.environment.{variable}", "a reference to no secret", str(error))
    if section.host and section.context:
        yield Problem("run.context", "a host and a context", "one of the two")
    if "all" in section.gpus and len(section.gpus) > 1:
        yield Problem("run.gpus", "`all` and others", "`all`, or the numbers or ids of some")


def _mounts(section: DockerSection) -> Iterator[Problem]:
    here = Engine(section.where).here
    for target, volume in section.volumes.items():
        at = f"run.volumes.{target}"
        if bool(volume.path) == bool(volume.volume):
            found = "both `path` and `volume`" if volume.path else "neither `path` nor `volume`"
            yield Problem(at, found, "one of the two")
        elif here and volume.path and not os.path.exists(volume.path):
            yield Problem(f"{at}.path", f"nothing at {volume.path}", "an existing file or folder")
        if target in section.tmpfs:
            yield Problem(at, "a tmpfs at the same path", "one of the two")


def _network(spec: WorkerSpec, section: DockerSection) -> Iterator[Problem]:
    for special in SPECIAL:
        if special in section.networks and len(section.networks) > 1:
            yield Problem("run.networks", f"`{special}` and others", f"`{special}` alone")
    if section.networks == ("none",) and spec.endpoints:
        yield Problem("endpoints", "endpoints", "none: its network is `none`")
    for name, port in section.ports.items():
        if name not in spec.endpoints:
            yield Problem(f"run.ports.{name}", name, "the name of an endpoint")
        elif section.networks == ("host",):
            hint = "`networks: [bridge]` gives it one of its own"
            yield Problem(f"run.ports.{name}", str(port), "nothing: its network is this host's own", hint=hint)
    for name, endpoint in spec.endpoints.items():
        try:
            ipaddress.ip_address(address(endpoint.host))
        except ValueError:
            yield Problem(f"endpoints.{name}.host", endpoint.host, "an address of this host, to bind the port to")


def _bounds(spec: WorkerSpec) -> Iterator[Problem]:
    hold = held(spec.limits)
    refused = {field: text for field, text in holding.words(hold).items() if text.startswith("not held")}
    for name, limit in spec.limits.bounds.items():
        if (field := kept_as(name, limit)) in refused:
            hint = f"any other policy than `throttle` watches it; {refused[field]}"
            yield Problem(f"limits.{name}", f"policy {limit.policy}", "a bound that the engine can hold", hint=hint)
    if hold.memory is not None and hold.memory < holding.LEAST_MEMORY:
        expected = f"at least {holding.LEAST_MEMORY} bytes: the engine refuses less"
        yield Problem("limits.memory.max_rss", str(hold.memory), expected)


def _impossible(spec: WorkerSpec) -> Iterator[Problem]:
    yield from modules.problems(spec)
    if spec.module is not None and not spec.module.plugin and spec.module.factory:
        expected = "`package.module:factory`, as the image has it"
        yield Problem("module.factory", spec.module.factory, expected, hint="it is registered in this process alone")


def _unheard(spec: WorkerSpec, section: DockerSection) -> Iterator[Problem]:
    """Probes that wait for the word of one who does not reach our socket."""
    if spec.register or Engine(section.where).here:
        return
    for role, probe in spec.probes.items():
        if probe.means == "notify":
            hint = "`register: true` has it speak over HTTP"
            yield Problem(f"probes.{role}.means", "notify, on another host", "another one", hint=hint)
