"""What a worker's kind means for the rest of it: the port and the probes of an integrated one, all that an unmanaged
one can't have. Of the sections it knows only what they say themselves.
"""

from importlib.util import find_spec
from typing import Any

import msgspec
from msgspec import Struct, structs

from beeyard.domain.lifetime import ENDLESS
from beeyard.domain.spec import Endpoint, LogSpec, ProbeRole, ProbeSpec, WorkerSpec
from beeyard.entrypoints.settings.tree import Mapping, Node, empty
from beeyard.entrypoints.settings.words import Context

KINDS = ("managed", "integrated", "unmanaged")
PORT = "grpc"
"""The endpoint that an integrated worker is given as `--port`."""

_MEANINGLESS = {
    "restart_policy": "it is looked for again every check_interval",
    "context_aware_restart": "it is looked for again every check_interval",
    "profile_type": "it is looked for again every check_interval",
    "exit_on": "it never fails for good: it is looked for again every check_interval",
    "lifetime": "it is not Beeyard that starts it, so its age means nothing here",
    "logs": "what it writes does not come to Beeyard",
    "instances": "all of them would find the same process",
    **dict.fromkeys(
        ("module", "module_type", "module_name", "config"), "it is found, not started, so it runs no module"
    ),
    "package": "it is not Beeyard that starts it, so nothing is installed for it",
}
"""Key -> why an unmanaged worker has none."""


def with_port(endpoints: dict[str, Endpoint]) -> dict[str, Endpoint]:
    """The endpoints of an integrated worker."""
    return endpoints if PORT in endpoints else {**endpoints, PORT: Endpoint("grpc")}


def asked_by_grpc(node: Mapping, context: Context) -> dict[ProbeRole, ProbeSpec]:
    """The probes of an integrated worker that has none of its own."""
    if not (empty(node.entries.get("probes")) and empty(node.entries.get("health_check"))):
        return {}
    if find_spec("grpc_health") is None:
        context.report.add(node, "no gRPC in this installation", "probes of its own", "pip install 'beeyard[grpc]'")
    probe = ProbeSpec("grpc", endpoint=PORT)
    return {"readiness": probe, "liveness": probe}


def unmanaged(spec: WorkerSpec, own: Node, whole: Mapping, kind: type[Struct], context: Context) -> WorkerSpec:
    """The worker without what means nothing for it: refused where its own block says it, dropped where `defaults` do.

    Args:
        own: the worker as written; `whole` has the defaults as well.
        kind: the type of its section.
    """
    for key, reason in _MEANINGLESS.items():
        if isinstance(own, Mapping) and not empty(written := own.entries.get(key)) and written:
            context.report.add(written, f"`{key}`", "no such key for an unmanaged worker", reason)
    blocks = tuple(entry.path for key in kind.__struct_encode_fields__ if (entry := whole.entries.get(key)))
    if not spec.run or any(problem.path.startswith(blocks) for problem in context.report.problems):
        return spec  # What does not go together shows when each thing can be read.
    section: Any = msgspec.convert(spec.run, kind)
    probes = dict(spec.probes)
    if not empty(whole.entries.get("health_check")) and not section.may_renew() and not _says(whole, "liveness"):
        probes.pop("liveness", None)
    spec = structs.replace(
        spec,
        probes=probes,
        restart=section.restart(),
        stop=section.stop(),
        exit_on="never",
        logs=LogSpec(),
        lifetime=ENDLESS,
        package="",
        module=None,
    )
    for problem in [*section.problems(), *section.unfit(spec)]:
        context.report.add(_place(whole, problem.path), problem.found, problem.expected, problem.hint)
    return spec


def _says(node: Mapping, role: ProbeRole) -> bool:
    probes = node.entries.get("probes")
    return isinstance(probes, Mapping) and not empty(probes.entries.get(role))


def _place(node: Node, path: str) -> Node:
    """The value at a path below, or what is there of it, named by the whole path."""
    found = node
    for key in path.split("."):
        if not isinstance(found, Mapping) or key not in found.entries:
            break
        found = found.entries[key]
    return Node(found.file, found.line, f"{node.path}.{path}")
