"""One attempt as the engine is to make it: its name, its labels, and the body of the request. Pure,
but for the env files that it reads.

The name is made of the owner, the worker and the attempt: to make the same one twice is a conflict, and by its labels
a conflict tells whether it is ours.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from beeyard.adapters.execution import read_env_file
from beeyard.adapters.providers.docker import holding, hosted
from beeyard.adapters.providers.docker.section import DockerSection
from beeyard.adapters.surroundings import asked, told
from beeyard.domain.limits import held
from beeyard.domain.secrets import Secret, filled
from beeyard.domain.spec import WorkerSpec, notifies

OWNER, WORKER, ATTEMPT, CREATED, PORTS, ENGINE = (
    f"beeyard.{word}" for word in ("owner", "worker", "attempt", "created", "ports", "engine")
)
"""Labels. `created` is in seconds since 1970, `ports` are those of the handle; `engine` is by what name its engine was
asked for it, for one engine may have several, and each container has to be looked after once."""
LOG_FILES = 2
"""How many files of a worker's `logs.max_size` the engine keeps for us to read: it has its own, and we copy them."""
INNER, SOCKET = "/run/beeyard", "notify"
"""The folder in the container, and in it the socket for its words. Not that alone: each master makes a new one."""
SPECIAL = ("host", "none")
"""Networks that go with no other, and with no port of their own."""


def name(owner: str, worker: str, attempt: int) -> str:
    """The container's."""
    return f"beeyard-{owner}-{worker}-{attempt}"


def inner_ports(section: DockerSection, ports: Mapping[str, int]) -> dict[str, int]:
    """Where the program listens within."""
    if section.networks[:1] == ("host",):
        return dict(ports)
    return {endpoint: section.ports.get(endpoint) or port for endpoint, port in ports.items()}


def ours(labels: Mapping[str, str], owner: str, engine: str = "") -> tuple[str, int] | None:
    """Worker and attempt, if these labels are of a container of this owner, asked for from an engine of this name."""
    number = labels.get(ATTEMPT, "")
    if labels.get(OWNER) != owner or WORKER not in labels or not number.isdigit():
        return None
    return (labels[WORKER], int(number)) if labels.get(ENGINE, "") == engine else None


def body(
    spec: WorkerSpec,
    section: DockerSection,
    owner: str,
    attempt: int,
    ports: Mapping[str, int],
    secrets: Mapping[str, Secret],
    now: float,
    notices: str = "",
    invitation: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The request that creates it. `notices`: the folder with the socket for its words, where that can be reached from
    there; `invitation`: with what it registers."""
    within = inner_ports(section, ports)
    environment: dict[str, str] = {}
    for path in section.env_file:
        environment |= read_env_file(path)
    environment |= {key: filled(value, secrets) for key, value in section.environment.items()}
    environment |= told(spec, attempt, within) | asked(spec, f"{INNER}/{SOCKET}" if notices else "")
    environment |= invitation or {}
    if spec.module is not None:
        environment |= hosted.told(spec, section, attempt, within, secrets)
    labels = {
        OWNER: owner,
        WORKER: spec.id,
        ATTEMPT: str(attempt),
        CREATED: f"{now:.3f}",
        PORTS: msgspec.json.encode(dict(ports)).decode(),
        **({ENGINE: engine} if (engine := str(section.where)) else {}),
    }
    published = {} if section.networks[:1] and section.networks[0] in SPECIAL else within
    made: dict[str, Any] = {
        "Image": section.image,
        "Env": [f"{key}={value}" for key, value in environment.items()],
        "Labels": {**section.labels, **labels},
        "ExposedPorts": {f"{port}/tcp": {} for port in published.values()},
        "HostConfig": _host(spec, section, ports, published, notices if notifies(spec) else ""),
    }
    if spec.module is not None or section.command:
        made["Cmd"] = hosted.command(section) if spec.module is not None else list(section.command)
    if section.entrypoint:
        made["Entrypoint"] = list(section.entrypoint)
    if section.user:
        made["User"] = section.user
    if section.working_directory:
        made["WorkingDir"] = section.working_directory
    if section.networks[:1] and section.networks[0] not in SPECIAL:
        # More than one can't be said at once before version 1.44 of the API: the others are joined before the start.
        made["NetworkingConfig"] = {"EndpointsConfig": {section.networks[0]: {}}}
    return made


def _host(
    spec: WorkerSpec, section: DockerSection, ports: Mapping[str, int], published: Mapping[str, int], notices: str
) -> dict[str, Any]:
    hold = held(spec.limits)
    bindings: dict[str, list[dict[str, str]]] = {}
    for endpoint, inner in published.items():
        host = {"HostIp": address(spec.endpoints[endpoint].host if endpoint in spec.endpoints else "")}
        bindings.setdefault(f"{inner}/tcp", []).append(host | {"HostPort": str(ports[endpoint])})
    gpus: dict[str, Any] = {"Driver": "", "Capabilities": [["gpu"]]} if section.gpus else {}
    if section.gpus:
        gpus |= {"Count": -1} if section.gpus == ("all",) else {"DeviceIDs": list(section.gpus)}
    return {
        "Init": section.init,
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {
            "Type": "local",  # As bytes: the default one, json-file, spoils what is no UTF-8.
            "Config": {"max-size": str(spec.logs.max_size), "max-file": str(LOG_FILES), "compress": "false"},
        },
        "PortBindings": bindings,
        "Mounts": [
            {
                "Type": "bind" if volume.path else "volume",
                "Source": volume.path or volume.volume,
                "Target": target,
                "ReadOnly": volume.read_only,
            }
            for target, volume in section.volumes.items()
        ]
        + ([{"Type": "bind", "Source": notices, "Target": INNER, "ReadOnly": True}] if notices else []),
        "Tmpfs": {target: f"size={size}" for target, size in section.tmpfs.items()},
        "NetworkMode": section.networks[0] if section.networks else "default",
        "ReadonlyRootfs": section.read_only,
        "CapDrop": list(section.drop_capabilities),
        "CapAdd": list(section.add_capabilities),
        "DeviceRequests": [gpus] if gpus else [],
        "Ulimits": holding.ulimits(hold),
        **{key: value for key, value in holding.bounds(hold).items() if value},
    }


def address(host: str) -> str:
    """An endpoint's host as an address of this host's that a port is bound to."""
    return "127.0.0.1" if host in ("", "localhost") else host
