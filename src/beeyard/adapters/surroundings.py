"""What Beeyard tells a worker in its environment, whatever runs it, and what none may find there.

TABLE names all of it; docs/environment.md is that table. A module within the master has no environment of its own and
is told the same by its context. Whatever else a worker finds there, the worker file says. What the launcher marks its
processes with is its own.
"""

from collections.abc import Mapping

from msgspec import Struct

from beeyard.domain.spec import WorkerSpec, notifies, watchdog
from beeyard.domain.values import instance_of
from beeyard.ports.invitations import Invitations
from beeyard.sdk.notify import REGISTRATION, SOCKET, URL
from beeyard.sdk.terms import TERMS

OTHERS = frozenset(
    {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID"}
)
"""What Beeyard itself was given by the service manager that started it; no worker may speak in its name."""
EVERYWHERE = ("process", "module", "wasm", "docker", "kubernetes")
ON_THIS_HOST = ("process", "module")
LISTENS = "`listen:` at an endpoint"
PROGRAMS = ("process", "docker", "kubernetes")


class Variable(Struct, frozen=True):
    """One of them: what it holds, which providers tell it, and what that takes."""

    name: str
    holds: str
    providers: tuple[str, ...] = EVERYWHERE
    takes: str = ""


TABLE = (
    Variable("BEEYARD_WORKER", "the worker's id, such as `web.2`"),
    Variable("BEEYARD_GROUP", "its group: `web`; of a worker alone, its id"),
    Variable("BEEYARD_INSTANCE", "its number in the group: `2`", takes="`instances:`"),
    Variable("BEEYARD_ATTEMPT", "the number of the attempt, from 1 on"),
    Variable("BEEYARD_PROVIDER", "what runs it: `process`, `docker`, …"),
    Variable(
        "BEEYARD_PORT_<ENDPOINT>",
        "the port to listen on for an endpoint; in capitals, `-` as `_`",
        ("process", "module", "docker", "kubernetes"),
        "`endpoints:`",
    ),
    Variable("LISTEN_FDS", "how many listening sockets it was given, from descriptor 3 on", ("process",), LISTENS),
    Variable("LISTEN_FDNAMES", "their endpoints, with `:` between them", ("process",), LISTENS),
    Variable("LISTEN_PID", "its own process id: whoever has another was not meant", ("process",), LISTENS),
    Variable("BEEYARD_PACKAGE", "the folder of the package it runs from", ("process", "docker"), "`package:`"),
    Variable(
        "BEEYARD_PACKAGE_<NAME>", "the folder of a package that this one needs", ("process", "docker"), "`package:`"
    ),
    Variable("BEEYARD_SOCKET", "the socket of the master's HTTP API, for who may use it", ON_THIS_HOST),
    Variable(
        SOCKET,
        "where to say how it is, by the protocol of sd_notify(3)",
        ("process", "docker"),
        "a probe `notify: true`, or a module",
    ),
    Variable(
        "WATCHDOG_USEC",
        "microseconds within which it has to say `WATCHDOG=1`, again and again",
        PROGRAMS,
        "a liveness probe `notify: true`",
    ),
    Variable(URL, "the address of the master's HTTP API", PROGRAMS, "`register: true`"),
    Variable(REGISTRATION, "a token to register with, once, within five minutes", PROGRAMS, "`register: true`"),
    Variable(TERMS, "for `beeyard.sdk.run`, which takes it away: no module sees it", ("process", "docker"), "a module"),
)


def told(spec: WorkerSpec, attempt: int, ports: Mapping[str, int], master: str = "") -> dict[str, str]:
    """Who the worker is, and what it was given. `master`: the socket of its master's API, where it reaches that."""
    group, dot, instance = instance_of(spec.id), *spec.id.partition(".")[1:]
    return {
        "BEEYARD_WORKER": spec.id,
        "BEEYARD_GROUP": group,
        **({"BEEYARD_INSTANCE": instance} if dot else {}),
        "BEEYARD_ATTEMPT": str(attempt),
        "BEEYARD_PROVIDER": spec.provider,
        **{port_variable(name): str(port) for name, port in ports.items()},
        **({"BEEYARD_SOCKET": master} if master else {}),
    }


def port_variable(endpoint: str) -> str:
    """By which it is told the port of one endpoint."""
    return f"BEEYARD_PORT_{_capitals(endpoint)}"


def packages(folder: str, needs: Mapping[str, str]) -> dict[str, str]:
    """Where the package lies that it runs from, and those that this one needs, by their names."""
    named = {f"BEEYARD_PACKAGE_{_capitals(name)}": path for name, path in needs.items()}
    return {"BEEYARD_PACKAGE": folder} | named


def asked(spec: WorkerSpec, socket: str = "") -> dict[str, str]:
    """Where it says how it is, and how often it has to (sd_watchdog_enabled(3)), if it is to. No `socket`: none that
    it could reach."""
    if not notifies(spec):
        return {}
    period = watchdog(spec)
    often = {} if period is None else {"WATCHDOG_USEC": str(round(period * 1_000_000))}
    return ({SOCKET: socket} if socket else {}) | often


async def invited(spec: WorkerSpec, attempt: int, invitations: Invitations, waits: float = 0.0) -> dict[str, str]:
    """With what it registers, if it is to: for one attempt, that may wait for so many seconds until it begins, and
    once. Raises Unavailable."""
    if not spec.register:
        return {}
    invitation = await invitations.invite(spec.id, attempt, waits)
    return {URL: invitation.url, REGISTRATION: invitation.token}


def _capitals(name: str) -> str:
    return name.upper().replace("-", "_")
