"""What an installed package supplies to a worker that runs from it, where the worker's spec says nothing itself."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from beeyard.domain.errors import Refused
from beeyard.domain.module import FACTORY, ModuleSpec
from beeyard.domain.packages import HealthCheck, Manifest, Trust
from beeyard.domain.spec import MODULE_PROBES, Endpoint, ProbeRole, ProbeSpec, WorkerSpec
from beeyard.domain.values import Duration


class Supply(Struct, frozen=True, omit_defaults=True):
    """The package that the attempts of one generation run from: an automatic restart never takes another version.

    `run` is the provider's section with what the package adds to it, `module` is the module likewise; `probes` are
    those that its health check makes. `channel`: the one that named this version when it was chosen, if it was a
    channel. `needs`: the digests of the packages that it was told to find beside its own. `epoch`: the form of data
    that it reads and writes.
    """

    generation: int
    name: str
    version: str
    digest: str
    path: str
    trust: Trust
    run: dict[str, Any]
    probes: dict[ProbeRole, ProbeSpec] = {}
    channel: str = ""
    needs: tuple[str, ...] = ()
    module: ModuleSpec | None = None
    epoch: int = 0


def module_of(module: ModuleSpec | None, manifest: Manifest, folder: str) -> ModuleSpec:
    """The module that runs from a package which lies in that folder: the one that is named, else the package's own.

    Raises Refused when there is none, or none that Python could find.
    """
    module = module or ModuleSpec()
    folder = f"{folder}/{manifest.python_path}".rstrip("/")
    if module.factory:
        return replace(module, folder=folder) if module.plugin else module
    fields = {"package": manifest.name, "version": manifest.version}
    if manifest.module is None:
        types = " and ".join(manifest.supported_types) or "nothing"
        text, hint = "{package} {version} has no module: it runs as {types} only", "name one of it under `module`"
        raise Refused("package_no_module", text, hint=hint, types=types, **fields)
    path = manifest.module.module_path.removesuffix(".py").removesuffix("/__init__")
    factory = f"{path.replace('/', '.')}:{manifest.module.entry_point}"
    if not re.fullmatch(FACTORY, factory) or "." in path:
        text = "{package} {version} can't be run as a module: Python finds no {factory} in it"
        hint = "module_path is a file such as echo/service.py, and entry_point the name of a function or a class in it"
        raise Refused("package_module_unfit", text, hint=hint, factory=factory, **fields)
    return replace(module, factory=factory, folder=folder)


class Equipment(Struct, frozen=True):
    """What a package adds to a spec: the provider's section, and the module if it is run as one."""

    run: dict[str, Any]
    module: ModuleSpec | None = None


def supplied(spec: WorkerSpec, supply: Supply | None) -> WorkerSpec:
    """The spec as it is carried out."""
    if supply is not None and spec.package:
        spec = replace(spec, run=supply.run, module=supply.module, probes=spec.probes or supply.probes)
    if spec.module is not None:
        started = {"readiness": MODULE_PROBES["readiness"]}
        spec = replace(spec, probes={**started, **spec.probes} if spec.probes else MODULE_PROBES)
    return spec


def probes_of(check: HealthCheck | None, endpoints: Mapping[str, Endpoint]) -> dict[ProbeRole, ProbeSpec]:
    """The probes that a package's health check makes: of a URL as it is, of a path at the worker's one HTTP endpoint.

    None if the worker has no such endpoint, or several: then nobody can tell which one was meant.
    """
    if check is None:
        return {}
    from urllib.parse import urlsplit  # 5 ms that no command line needs to wait for.

    asked = [name for name, endpoint in endpoints.items() if endpoint.protocol in ("http", "https")]
    absolute = urlsplit(check.endpoint).scheme in ("http", "https")
    if not absolute and len(asked) != 1:
        return {}
    probe = ProbeSpec(
        "http",
        target=check.endpoint,
        endpoint="" if absolute else asked[0],
        period=check.interval,
        timeout=Duration(5.0),
    )
    return {"readiness": probe, "liveness": probe}
