"""What an installed package supplies to a worker that runs from it, where the worker's spec says nothing itself."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from beeyard.domain.packages import HealthCheck, Trust
from beeyard.domain.spec import Endpoint, ProbeRole, ProbeSpec, WorkerSpec
from beeyard.domain.values import Duration


class Supply(Struct, frozen=True, omit_defaults=True):
    """The package that the attempts of one generation run from: an automatic restart never takes another version.

    `run` is the provider's section with what the package adds to it; `probes` are those that its health check makes.
    `channel`: the one that named this version when it was chosen, if it was a channel. `needs`: the digests of the
    packages that it was told to find beside its own.
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


def supplied(spec: WorkerSpec, supply: Supply | None) -> WorkerSpec:
    """The spec as it is carried out."""
    if supply is None or not spec.package:
        return spec
    return replace(spec, run=supply.run, probes=spec.probes or supply.probes)


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
