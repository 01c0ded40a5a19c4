"""What a module is run with on this host, for every provider that runs one: its terms, and what can't be run at all.

Values of its configuration may refer to secrets, as those of an environment may.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from beeyard.adapters.surroundings import told
from beeyard.domain.errors import Problem
from beeyard.domain.module import FACTORY_EXPECTED, ModuleSpec
from beeyard.domain.secrets import Secret, filled, references
from beeyard.domain.spec import WorkerSpec, asking
from beeyard.sdk.sockets import LOOPBACK
from beeyard.sdk.terms import Terms

LARGEST = 120_000
"""Bytes of a configuration: a process is told it in one variable, which the kernel bounds at 128 KB."""


def terms_of(
    spec: WorkerSpec, attempt: int, ports: Mapping[str, int], secrets: Mapping[str, Secret], master: str
) -> Terms:
    """Of a worker that runs a module, secrets in place. `master`: the socket at which it finds others."""
    module = spec.module
    assert module is not None
    period, timeout = asking(spec)
    return Terms(
        factory=module.factory,
        worker=spec.id,
        folder=module.folder,
        config=filled_in(module.config, secrets),
        ports=dict(ports),
        hosts={name: endpoint.host for name, endpoint in spec.endpoints.items() if endpoint.host != LOOPBACK},
        start_timeout=module.start_timeout,
        period=period,
        timeout=timeout,
        master=master,
        environment=told(spec, attempt, ports, master),
    )


def secrets_of(spec: WorkerSpec) -> dict[str, str]:
    """The secrets that the module's configuration refers to, each with the path of a value that does."""
    texts = _texts(spec.module.config, "module.config") if spec.module is not None else ()
    return {name: path for path, text in texts for name in references(text)}


def problems(spec: WorkerSpec) -> list[Problem]:
    """What keeps the module of a spec from running anywhere, with paths below the spec."""
    module = spec.module
    return [] if module is None else [*_unfound(module, packaged=bool(spec.package)), *_misconfigured(module)]


def _unfound(module: ModuleSpec, *, packaged: bool) -> Iterator[Problem]:
    if not module.factory and not packaged:
        yield Problem(
            "module.factory", "nothing", FACTORY_EXPECTED.removesuffix(", or nothing where a package says it")
        )
    if module.folder and not os.path.isdir(module.folder):
        yield Problem("module.folder", f"no folder {module.folder}", "an existing folder")


def _misconfigured(module: ModuleSpec) -> Iterator[Problem]:
    size = len(msgspec.json.encode(module.config))
    if size > LARGEST:
        yield Problem("module.config", f"{size} bytes", f"at most {LARGEST}", hint="name a file in it")
    for path, text in _texts(module.config, "module.config"):
        try:
            references(text)
        except ValueError as error:
            yield Problem(path, "a reference to no secret", str(error))


def filled_in(value: Any, secrets: Mapping[str, Secret]) -> Any:
    """The value that was meant, secrets in place."""
    if isinstance(value, str):
        return filled(value, secrets)
    if isinstance(value, Mapping):
        return {key: filled_in(inner, secrets) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [filled_in(inner, secrets) for inner in value]
    return value


def _texts(value: Any, at: str) -> Iterator[tuple[str, str]]:
    """Every text in a value, with its path."""
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{at}.{key}")
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{at}[{number}]")
