"""What made a package from what, as an in-toto statement with SLSA's provenance v1. Others sign it.

Nothing in it depends on when it was made; a time stands there only if SOURCE_DATE_EPOCH says which.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from msgspec import Struct

from beeyard.adapters.papers.checkout import Checkout
from beeyard.adapters.papers.moment import epoch, stamped
from beeyard.domain.packages import Description
from beeyard.domain.papers import PREDICATE, STATEMENT

BUILD_TYPE = "urn:beeyard:package-build:1"
BUILDER = "urn:beeyard:package-build"
"""Who made it, where nobody said so."""

Json = dict[str, Any]


class Made(Struct, frozen=True):
    """How it was made: `builder`, by whom, a URI; `checkout`, of what; `command`, by running what, with `source` for
    the digest of the folder in which it ran; `network`, whether it could reach one."""

    builder: str = BUILDER
    checkout: Checkout | None = None
    command: Sequence[str] = ()
    source: str = ""
    network: bool = False


def provenance(description: Description, beside: Mapping[str, str], made: Made) -> Json:
    """The statement. `beside`: name and SHA-256 of what else was written with the payload."""
    manifest, payload = description.manifest, description.payload
    asked: Json = {"name": manifest.name, "version": manifest.version, "platform": manifest.platform}
    if made.command:
        asked["build"] = {"command": list(made.command), "network": made.network}
    subjects = {payload.name: payload.sha256, **beside}
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in subjects.items()],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": asked,
                "internalParameters": {"digest": description.digest, "sourceDateEpoch": epoch()},
                "resolvedDependencies": [*_checked_out(made.checkout), *_source(made.source)],
            },
            "runDetails": {
                "builder": {"id": made.builder, "version": {"beeyard": version("beeyard")}},
                "metadata": stamped("finishedOn"),
            },
        },
    }


def _checked_out(checkout: Checkout | None) -> list[Json]:
    if checkout is None:
        return []
    where: Json = {"uri": f"git+{checkout.origin}"} if checkout.origin else {"name": "checkout"}
    told = {"folder": checkout.folder, "changed": checkout.changed}
    return [{**where, "digest": {"gitCommit": checkout.commit}, "annotations": told}]


def _source(sha256: str) -> list[Json]:
    return [{"name": "source", "digest": {"sha256": sha256}}] if sha256 else []
