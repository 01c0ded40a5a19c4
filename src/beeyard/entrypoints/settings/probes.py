"""`probes:` and the two older forms of `health_check:` into ProbeSpecs. Knows which endpoint a probe means."""

import re
import shlex
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from beeyard.domain.spec import LINE_STAYS, Endpoint, ProbeMeans, ProbeRole, ProbeSpec
from beeyard.domain.values import Duration
from beeyard.entrypoints.settings import tree
from beeyard.entrypoints.settings.decode import nearest, struct
from beeyard.entrypoints.settings.shape import GrpcCheck, Probe, RunOptions, ShortCheck, TypedCheck, Worker
from beeyard.entrypoints.settings.tree import Node, Scalar, Sequence, empty
from beeyard.entrypoints.settings.words import FAILED, WORDS, Context, text

_MEANS: tuple[ProbeMeans, ...] = ("http", "tcp", "grpc", "exec", "log", "module", "notify", "process")
_ALSO: Mapping[ProbeMeans, tuple[str, ...]] = {
    "http": ("endpoint", "method", "headers"),
    "grpc": ("service", "call", "headers"),
    "log": ("stream",),
}
_URL = re.compile(r"https?://[^\s/]+.*")
_ADDRESS = re.compile(r"(?:(?:\[[0-9a-fA-F:.]+\]|[^\s:\[\]]+):)?([0-9]{1,5})")


def probes(
    node: tree.Mapping, worker: Worker, endpoints: Mapping[str, Endpoint], runs_module: bool, context: Context
) -> dict[ProbeRole, ProbeSpec]:
    """The probes of a worker by role. `node` is the worker as written; one that runs a module can be asked by it."""
    made: dict[ProbeRole, ProbeSpec] = {}
    written = node.entries.get("probes")
    for role, shape in worker.probes.items():
        assert isinstance(written, tree.Mapping)
        if probe := _probe(role, written.entries[role], shape, endpoints, runs_module, context):
            made[role] = probe
    check = worker.health_check
    if check and (probe := _health_check(check, endpoints, context)):
        for role in ("readiness", "liveness"):
            if made.setdefault(role, probe) != probe:
                assert isinstance(written, tree.Mapping)
                line = written.entries[role].line
                context.report.add(check, f"another {role} probe than on line {line}", "one probe a role")
    return made


def _probe(
    role: ProbeRole,
    node: Node,
    shape: Probe,
    endpoints: Mapping[str, Endpoint],
    runs_module: bool,
    context: Context,
) -> ProbeSpec | None:
    assert isinstance(node, tree.Mapping)
    given = [means for means in _MEANS if not empty(node.entries.get(means))]
    if len(given) != 1:
        *most, last = _MEANS
        expected = f"one of {', '.join(most)} or {last}"
        context.report.add(node, " and ".join(given) or "no way to probe", expected)
        return None
    means = given[0]
    place = node.entries[means]
    target, endpoint = "", shape.endpoint
    command: tuple[str, ...] = ()
    if endpoint and endpoint not in endpoints:
        context.report.wrong(node.entries["endpoint"], "the name of an endpoint", nearest(endpoint, endpoints))
        return None
    if means == "http" and shape.http is not None:
        target, endpoint = _http(place, shape.http, endpoint, endpoints, context)
    elif means == "tcp" and shape.tcp is not None:
        target, endpoint = _tcp(place, shape.tcp, endpoints, context)
    elif means == "grpc" and shape.grpc is not None:
        target, endpoint = _grpc(place, shape.grpc, endpoints, context)
    elif means == "exec":
        command = _command(place, context)
    elif means == "log" and shape.log is not None:
        target = _pattern(place, shape.log, role, context)
    elif False in (shape.process, shape.notify, shape.module):
        context.report.wrong(place, "true, or no such key")
    elif means == "module" and not runs_module:
        context.report.add(place, "`module`", "another probe", "the worker runs no module")
    if shape.service and shape.call:
        context.report.wrong(node.entries["call"], "no such key beside `service`: one of them is asked")
    for key in ("endpoint", "method", "headers", "service", "call", "stream"):
        if key in node.entries and key not in _ALSO.get(means, ()):
            context.report.add(node.entries[key], f"`{key}`", f"no such key: a probe by {means} has none")
    return ProbeSpec(
        means=means,
        target=target,
        command=command,
        method=shape.method,
        headers=shape.headers,
        service=shape.service,
        call=shape.call,
        stream=shape.stream or "",
        endpoint=endpoint,
        period=shape.period,
        timeout=shape.timeout,
        initial_delay=shape.initial_delay,
        failures=shape.failures,
        successes=shape.successes,
    )


def _http(
    node: Node, target: str, endpoint: str, endpoints: Mapping[str, Endpoint], context: Context
) -> tuple[str, str]:
    """A whole URL stands for itself; a path belongs to the endpoint named, or to the only one that speaks http."""
    if _URL.fullmatch(target):
        return target, ""
    if not target.startswith("/"):
        context.report.wrong(node, "a path such as /health, or a URL")
    elif not endpoint:
        names = [name for name, one in endpoints.items() if one.protocol in ("http", "https")]
        if len(names) == 1:
            return target, names[0]
        choices = f"name one with `endpoint:`: {', '.join(names)}" if names else "or write a whole URL"
        context.report.add(
            node, f"'{target}' and {len(names) or 'no'} endpoints that speak http", "one endpoint to ask", choices
        )
    return target, endpoint


def _tcp(node: Node, target: str, endpoints: Mapping[str, Endpoint], context: Context) -> tuple[str, str]:
    """An endpoint's name, else a port or host:port."""
    if target in endpoints:
        return "", target
    address = _ADDRESS.fullmatch(target)
    if not address or not 1 <= int(address[1]) <= 65535:
        hint = nearest(target, endpoints) if endpoints else ""
        context.report.wrong(node, "the name of an endpoint, a port, or host:port", hint)
    return target, ""


def _grpc(node: Node, target: str, endpoints: Mapping[str, Endpoint], context: Context) -> tuple[str, str]:
    """As tcp, where this Beeyard can speak gRPC."""
    if find_spec("grpc_health") is None:
        context.report.add(node, "no gRPC in this installation", "another probe", "pip install 'beeyard[grpc]'")
    return _tcp(node, target, endpoints, context)


def _pattern(node: Node, target: str, role: ProbeRole, context: Context) -> str:
    """A regular expression, which a line of this attempt's output has to contain."""
    if role == "liveness":
        context.report.add(node, "`log`", "startup or readiness", LINE_STAYS)
        return target
    try:
        re.compile(target)
    except (re.error, OverflowError, RecursionError) as error:
        context.report.wrong(node, "a regular expression", str(error))
    return target


def _command(node: Node, context: Context) -> tuple[str, ...]:
    """A list, or one text that is split as a shell would."""
    if isinstance(node, Sequence):
        command = [word for word in (text(item, context) for item in node.items) if word is not FAILED]
        if not node.items:
            context.report.add(node, "an empty list", "a command")
        return tuple(command)
    line = text(node, context)
    try:
        command = [] if line is FAILED else shlex.split(line)
    except ValueError as error:
        context.report.wrong(node, "a command", str(error).lower())
        return ()
    if not command and line is not FAILED:
        context.report.wrong(node, "a command")
    return tuple(command)


def _health_check(node: Node, endpoints: Mapping[str, Endpoint], context: Context) -> ProbeSpec | None:
    """`{endpoint, interval, …}` or `{type, http: …, run_options: …}`."""
    if not isinstance(node, tree.Mapping):
        context.report.wrong(node, "a mapping")
        return None
    if "type" not in node.entries:
        short = struct(node, ShortCheck, context)
        if short is None or not short.enabled:
            return None
        if not short.endpoint:
            context.report.missing(node, "endpoint", "a path such as /health, or a URL")
            return None
        target, endpoint = _http(node.entries["endpoint"], short.endpoint, "", endpoints, context)
        return _timed(short, means="http", target=target, endpoint=endpoint)
    typed = struct(node, TypedCheck, context)
    if typed is None or not typed.run_options.enabled:
        return None
    if typed.type == "process":
        return _timed(typed.run_options, means="process")
    block = node.entries.get(typed.type)
    if typed.type == "http" and typed.http and isinstance(block, tree.Mapping):
        http = typed.http
        target, endpoint = _http(block.entries["url"], http.url, "", endpoints, context)
        return _timed(
            typed.run_options, means="http", target=target, endpoint=endpoint, method=http.method, headers=http.headers
        )
    if typed.type == "tcp" and typed.tcp:
        return _timed(typed.run_options, means="tcp", target=f"{typed.tcp.address}:{typed.tcp.port}")
    if typed.type == "grpc" and typed.grpc and isinstance(block, tree.Mapping):
        target, endpoint = _grpc(block.entries["address"], typed.grpc.address, endpoints, context)
        return _timed(
            typed.run_options, means="grpc", target=target, endpoint=endpoint, **_asked(block, typed.grpc, context)
        )
    if typed.type == "exec" and typed.exec:
        return _timed(typed.run_options, means="exec", command=(typed.exec.command, *typed.exec.args))
    if block is None:
        context.report.missing(node, typed.type, f"what a check of type {typed.type} asks")
    return None


def _asked(node: tree.Mapping, check: GrpcCheck, context: Context) -> dict[str, Any]:
    """A `method` of the `service`; without one, what the health service says of it."""
    service = node.entries.get("service")
    if not check.method or (not check.service and not empty(service)):
        return {"service": check.service, "headers": check.headers}
    place = node.entries["method"]
    call = WORDS["call"](Scalar(place.file, place.line, place.path, f"{check.service}/{check.method}"), context)
    return {"call": "" if call is FAILED else call, "headers": check.headers}


def _timed(options: RunOptions, **rest: Any) -> ProbeSpec:
    return ProbeSpec(
        period=options.interval,
        timeout=options.timeout,
        initial_delay=Duration(options.initial_delay),
        failures=max(1, options.retries),
        **rest,
    )
