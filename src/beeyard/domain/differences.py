"""What differs between two specs, field by field, in the words of the worker file.

Refuses to show what may be a password: values of an environment, headers, what a module is configured with, names and
passwords in a URL, and what a repository wants to see.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Struct, json, structs

from beeyard.domain.master import MasterSpec
from beeyard.domain.module import ModuleSpec
from beeyard.domain.plan import Difference
from beeyard.domain.scaling import Scaling
from beeyard.domain.secrets import REDACTED
from beeyard.domain.sources import RepositorySpec
from beeyard.domain.spec import Need, ProbeSpec, StopStep, WorkerSpec
from beeyard.domain.values import Duration, Memory, SignalNumber, signal_name

SECTIONS = {"process": "execution", "unmanaged": "", "module": ""}
"""Provider -> the key of its section in the worker file, its own name otherwise; empty: what the section holds are keys
of the worker itself."""

NOTHING = "nothing"

_WORDS = {
    "listen.address": "master.listen",
    "listen.hosts": "master.hosts",
    "listen": "master.tls",
    "module.factory": "module.module_name",
    "packages": "package_manager",
    "restart.backoff": "restart_policy",
    "restart.overrides.health": "context_aware_restart.health_failures",
    "restart.overrides.resource": "context_aware_restart.resource_violations",
    "restart.severity": "context_aware_restart.severity_multipliers",
    "restart.profile": "context_aware_restart.worker_profile_multipliers",
    "restart.startup_grace": "context_aware_restart.startup_grace_period",
    "restart": "restart_policy",
    "scaling": "instances",
    "half": "instances",
}
"""A path in a spec -> the path of the same thing in the file; the longest comes first."""

_HIDDEN = ("environment", "headers", "config")
_PASSWORDS = ("password", "token")
_REFERENCE = re.compile(r"\$\{secret:[\w-]+\}")
_USER = re.compile(r"(?<=://)[^/@\s\"]+(?=@)")
_PLAIN = re.compile(r"[\w./:+-]+")
_UNITS = {"GB": 1024**3, "MB": 1024**2, "KB": 1024}
_SAID = {("max_retries", None): "unlimited", ("port", 0): "auto"}

Leaf = tuple[Any, str, bool]
"""The value, its text, and whether it says no more than a default does."""


def between(old: WorkerSpec, new: WorkerSpec) -> dict[str, tuple[Difference, ...]]:
    """Field of the spec -> what differs in it. Never empty for two that differ."""
    found = {}
    for name, kind in _fields(WorkerSpec).items():
        one, other = getattr(old, name), getattr(new, name)
        if one != other:
            found[name] = _compared(
                dict(_leaves(_word(name, old.provider), one, kind)),
                dict(_leaves(_word(name, new.provider), other, kind)),
            )
    return found


def of_master(old: MasterSpec, new: MasterSpec) -> tuple[Difference, ...]:
    """What differs in what is said of the master itself."""
    return _compared(dict(_leaves("", old, MasterSpec)), dict(_leaves("", new, MasterSpec)))


def _word(name: str, provider: str) -> str:
    return SECTIONS.get(provider, provider) if name == "run" else name


def _compared(old: Mapping[str, Leaf], new: Mapping[str, Leaf]) -> tuple[Difference, ...]:
    absent = (None, NOTHING, True)
    found = []
    for path in {**old, **new}:
        one, other = old.get(path, absent), new.get(path, absent)
        told = path in old and path in new and one[0] != other[0]
        if told or ((path in old) != (path in new) and not (one[2] and other[2])):
            found.append(Difference(_worded(path), one[1], other[1]))
    return tuple(found)


def _worded(path: str) -> str:
    for ours, theirs in _WORDS.items():
        if path == ours or path.startswith(f"{ours}."):
            return theirs + path[len(ours) :]
    return path


def _leaves(path: str, value: Any, kind: Any, *, default: bool = False) -> Iterator[tuple[str, Leaf]]:
    """All that can differ, each under its path."""
    if isinstance(value, tuple) and len(value) == 1 and isinstance(value[0], StopStep):
        yield f"{path}.signal", (value[0].signal, _text("signal", value[0].signal, SignalNumber), False)
        yield f"{path}.timeout", (value[0].wait, _text("timeout", value[0].wait, Duration), False)
    elif isinstance(value, Need):
        yield path, (value.condition, value.condition, False)
        yield f"{path}.restart", (value.restart, str(value.restart).lower(), not value.restart)
    elif value is None and _bare(kind) in (ModuleSpec, Scaling):
        return  # Told by its parts, where there are some.
    elif get_args(_bare(kind))[:1] == (RepositorySpec,):
        for one in value:  # Their order means nothing.
            yield from _leaves(_below(path, one.name), one, RepositorySpec)
    elif isinstance(value, Struct):
        parts = list(_parts(value))
        plain = all(same for _, _, _, same in parts)
        for number, (name, part, inner, same) in enumerate(parts):
            # One that is there and says nothing but defaults is told by its first field.
            yield from _leaves(_below(path, name), part, inner, default=same and not (plain and number == 0))
    elif isinstance(value, dict) and value and path.rpartition(".")[2] in _HIDDEN:
        for name, part in value.items():
            yield _below(path, name), (part, _hidden(str(part)), False)
    elif isinstance(value, dict) and (value or get_origin(_bare(kind)) is dict):
        inner = (get_args(_bare(kind)) or (Any, Any))[1]
        for name, part in value.items():
            yield from _leaves(_below(path, name), part, inner)
    else:
        yield path, (value, _text(path.rpartition(".")[2], value, kind), default)


def _parts(value: Struct) -> Iterator[tuple[str, Any, Any, bool]]:
    """Name, value, type of each field, and whether it is the default.

    A probe's question stands under its means; what a repository wants to see stands beside its other fields.
    """
    kinds = _fields(type(value))
    skipped: tuple[str, ...] = ()
    if isinstance(value, ProbeSpec):
        skipped = ("means", "target", "command")
        both = (value.target, *value.command) if value.target and value.command else ()
        yield value.means, both or value.command or value.target or True, Any, False
    if isinstance(value, RepositorySpec):
        skipped = ("name", "credentials")
    for field in structs.fields(value):
        if field.name not in skipped:
            default = field.default if field.default_factory is NODEFAULT else field.default_factory()
            part = getattr(value, field.name)
            yield field.name, part, kinds[field.name], part == default
    if isinstance(value, RepositorySpec):
        yield from _parts(value.credentials)


def _text(name: str, value: Any, kind: Any) -> str:
    """As the file says it."""
    bare = _bare(kind)
    if bare is not Any and (name, value) in _SAID:
        return _SAID[name, value]
    if value is None or (value == "" and bare is not Any):
        return NOTHING
    if name in _PASSWORDS and isinstance(value, str):
        return _hidden(value)
    if bare is Duration:
        return f"{value * 1000:g}ms" if 0 < value < 1 else f"{float(value)!r}".removesuffix(".0") + "s"
    if bare is SignalNumber:
        return signal_name(value)
    if bare is float and name == "cpu":
        return f"{value:g}%"
    if bare is Memory:
        unit = next((unit for unit, size in _UNITS.items() if value % size == 0), "")
        return f"{value // _UNITS.get(unit, 1)}{unit}"
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value  # No `@`, thus no password before one.
    if isinstance(value, tuple) and value and isinstance(value[0], Struct):
        value = [{name: _text(name, part, inner) for name, part, inner, _ in _parts(item)} for item in value]
    return _USER.sub(REDACTED, _json(value))


def _hidden(value: str) -> str:
    """A reference to a secret shows nothing."""
    return value if _REFERENCE.fullmatch(value) else REDACTED


def _json(value: Any) -> str:
    """On one line. A spec made in a program may hold anything: what is wrong with it is not ours to say."""
    try:
        return json.format(json.encode(value), indent=0).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return "a value that is not to be shown"


def _below(path: str, name: str) -> str:
    name = name if _PLAIN.fullmatch(name) else _json(name)
    return f"{path}.{name}" if path else name


@cache
def _bare(kind: Any) -> Any:
    """Without bounds, and without the None that it may be instead."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    some = [one for one in get_args(kind) if one is not type(None)]
    return _bare(some[0]) if len(some) == 1 and type(None) in get_args(kind) else kind


@cache
def _fields(kind: type[Struct]) -> dict[str, Any]:
    """Name -> type."""
    return get_type_hints(kind, include_extras=True)
