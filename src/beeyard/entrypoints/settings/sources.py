"""`package_manager:` of a file and `package:` of a worker: where packages come from, and which one a worker runs from.

Knows the older spelling of the block. Says of no package whether there is one, and looks into no repository.
"""

import re
from typing import Any

import msgspec

from beeyard.domain.errors import Refused
from beeyard.domain.packages import REF_EXPECTED, TRUST, Trust, wanted
from beeyard.domain.sources import PackagePolicies, PackagesSpec, RepositorySpec, bound, enough
from beeyard.domain.spec import PackageRef
from beeyard.entrypoints.settings.decode import struct
from beeyard.entrypoints.settings.repositories import manager, repository
from beeyard.entrypoints.settings.sources_shape import PackageManager
from beeyard.entrypoints.settings.tree import Mapping, Node, Sequence, empty
from beeyard.entrypoints.settings.words import FAILED, Context, parsed

_ELSEWHERE = {
    "registry": "name repositories under `repositories`, each with its `url`",
    "namespace": "say under `packages` of a repository which names it has",
    "cache_dir": "packages lie in the state folder, which --state-dir names",
}
"""Key of the older `config:` -> where the same thing is said."""


_OLDER = ("registry", "namespace", "localCache", "local_cache")
"""Keys of the `config:` that an older file has for images."""


def packages(node: Node | None, context: Context) -> PackagesSpec:
    """The block, or what holds without one: no repository, and the default policies."""
    block = None if node is None or empty(node) else struct(node, PackageManager, context)
    if block is None:
        return PackagesSpec()
    usual = manager(block.type, "binary", context)
    older = usual == "oci" and empty(block.repositories)
    for key, value in block.config.items():
        if not older or key not in _OLDER:
            context.report.add(value, f"`{key}`", "nothing under `config`", _ELSEWHERE.get(key, ""))
    policies = PackagePolicies(**msgspec.structs.asdict(block.policies))
    repositories = _registry(block.config, context) if older else _repositories(block.repositories, usual, context)
    required = _written(node, "policies", "required_trust")
    if required and repositories and not any(enough(_trust(one), policies.required_trust) for one in repositories):
        most = max((_trust(one) for one in repositories), key=TRUST.index)
        text = f"'{policies.required_trust}', and no repository has more than {most}: nothing could be installed"
        context.report.add(required, text, f"{most} at most, or a repository with more")
    return PackagesSpec(repositories, policies)


def _registry(config: dict[str, Node], context: Context) -> tuple[RepositorySpec, ...]:
    """The one registry that an older file names, without a scheme; nobody signed what is in there. Images that were
    fetched lie in the state folder, so a `localCache` says nothing more, however it is written."""
    if "registry" not in config:
        return ()
    place, below = (_place(config[key], context) if key in config else "" for key in ("registry", "namespace"))
    if FAILED in (place, below):
        return ()
    url = str(place) if "://" in str(place) else f"https://{place}"
    return (RepositorySpec("registry", "oci", f"{url}/{below}".rstrip("/"), trust="unsigned"),)


def package(node: Node | None, context: Context) -> PackageRef:
    """The package that a worker runs from, in one spelling: `name`, `name:RANGE`, `name:CHANNEL`. Empty: from none."""
    written = "" if node is None or empty(node) else _package(node, context)
    if not written or written is FAILED or node is None:
        return ""
    try:
        bound(written.partition(":")[0], context.repositories)
    except Refused as error:
        context.report.add(node, str(error), "a package of one repository", error.hint)
    return str(written)


def _repositories(node: Node | None, usual: str, context: Context) -> tuple[RepositorySpec, ...]:
    if node is None or empty(node):
        return ()
    if not isinstance(node, Sequence):
        context.report.wrong(node, "a list of repositories")
        return ()
    known: dict[str, tuple[int, RepositorySpec]] = {}
    for item in node.items:
        spec = repository(item, usual, context)
        if spec is None or not isinstance(item, Mapping):
            continue
        line, _ = known.setdefault(spec.name, (item.line, spec))
        if known[spec.name][1] is not spec:
            place = item.entries["name"]
            context.report.add(place, f"'{spec.name}' again, after line {line}", "a name of its own")
    return tuple(spec for _, spec in known.values())


def _trust(repository: RepositorySpec) -> Trust:
    """How far it can vouch for what comes from it."""
    if repository.manager == "directory":
        return "none"
    known: dict[str, Trust] = {"tuf": "tuf", "cosign": "signature", "gpg": "signature", "unsigned": "checksum"}
    return known[repository.trust]


def _written(node: Node | None, *keys: str) -> Node | None:
    """What stands below these keys."""
    for key in keys:
        node = node.entries.get(key) if isinstance(node, Mapping) else None
    return node


def _in_one_spelling(written: str) -> Any:
    found = wanted(written)
    return msgspec.convert(str(found) if found.range or found.channel else found.name, PackageRef)


def _words_of_a_place(written: str) -> str:
    """A host, perhaps with a scheme and a port, or the names below it. Raises ValueError."""
    if not re.fullmatch(r"(https?://)?[A-Za-z0-9][A-Za-z0-9._:/-]{0,253}", written):
        raise ValueError(written)
    return written.strip("/")


_place = parsed(_words_of_a_place, "a registry or a namespace in it, such as registry.example.org and workers")
_package = parsed(_in_one_spelling, REF_EXPECTED)
