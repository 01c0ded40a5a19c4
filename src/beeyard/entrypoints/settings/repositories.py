"""One of the `repositories:` of a file: where it is, how it is known to be right, and what it wants to see.

Looks into none. Passwords are never quoted, nor what may hold one: they stand in `secrets:`, and here only their names.
"""

import re
import shutil
from urllib.parse import urlsplit

from beeyard.domain.sources import Credentials, Mirror, RepositorySpec, RepositoryTrust
from beeyard.domain.values import Memory
from beeyard.entrypoints.settings import sources_shape as shape
from beeyard.entrypoints.settings.decode import struct
from beeyard.entrypoints.settings.root_file import wrong_key, wrong_root
from beeyard.entrypoints.settings.sources_shape import Repository, Shown
from beeyard.entrypoints.settings.tree import Mapping, Node, Scalar, empty
from beeyard.entrypoints.settings.words import FAILED, Context, choice, known_secrets, parsed

_MANAGERS = ("binary", "directory", "oci", "apt", "dnf", "python")
_OLDER = {"docker": "oci"}
_SYSTEM = ("apt", "dnf")
"""Those of which a host has its own sources."""
_OF_SYSTEM = ("suite", "components", "unpacked")
_OF_PYTHON = {
    "python": (r"3\.\d{1,2}|/.+", "a version such as 3.12, or the path of a Python"),
    "extras": (r"[A-Za-z0-9._-]+\[[A-Za-z0-9._, -]+\]", "names with extras, such as uvicorn[standard]"),
}
_SIGNED = "no such key without `manager: binary` and `trust: tuf`"
_KEYS = ("oci", *_SYSTEM)
"""Those whose packages are signed with one key."""
_SHOWN = ("username", "password", "token", "certificate", "key", "netrc")
_WAYS = ("token", "username", "netrc")
_PAIRS = (("username", "password"), ("password", "username"), ("key", "certificate"))
_LITERAL = "name it under `secrets:`, with where it is fetched from; no password belongs into a worker file"
_MANAGER = choice(_MANAGERS)
_UNSIGNED = {"directory": "nobody signs a folder", "python": "nobody signs an index"}
"""Those that nobody signs -> why."""


def repository(node: Node, usual: str, context: Context) -> RepositorySpec | None:
    """What an entry says; None when it does not even have a name.

    Args:
        usual: the manager of one that names none.
    """
    written = struct(node, Repository, context)
    if written is None or not isinstance(node, Mapping):
        return None
    given = {key: value for key, value in node.entries.items() if not empty(value)}
    comes = manager(written.manager, usual, context)
    places = [key for key in ("url", "path") if key in given]
    for key in _OF_SYSTEM:
        if key in given and (comes not in _SYSTEM or (comes == "dnf" and key != "unpacked")):
            context.report.add(given[key], f"`{key}`", f"no such key beside `manager: {comes}`")
    _check_python(given, written, comes, context)
    if written.auth_required and not any(key in given for key in _SHOWN):
        expected = "a `token`, a `username` with its `password`, a `netrc` or a `certificate` beside it"
        context.report.add(given["auth_required"], "true", expected)
    if comes in _SYSTEM and not places:
        for key in ("suite", "components", "root", *_SHOWN):
            if key in given:
                context.report.add(given[key], f"`{key}`", "a `url` or `path` beside it", "else it is the host's own")
    elif len(places) != 1:
        context.report.add(node, "both `url` and `path`" if places else "no place", "one of `url` and `path`")
    elif comes == "directory" and "url" in given:
        context.report.add(given["url"], "`url`", "`path`: a directory is taken as it stands")
    elif comes == "oci" and "path" in given:
        context.report.add(given["path"], "`path`", "the `url` of a registry")
    return RepositorySpec(
        name=written.name,
        manager=comes,
        url=_url(given["url"], context) if "url" in given else "",
        path=written.path,
        mirrors=_mirrors(given, written, comes, context),
        serve=_serve(given, written, comes, context),
        root=written.root,
        suite=written.suite,
        components=written.components,
        unpacked=written.unpacked,
        python=written.python,
        extras=written.extras,
        packages=written.packages,
        trust=_trust(node, given, written, comes, context),
        credentials=_credentials(node, given, written, context),
    )


def manager(node: Node | None, usual: str, context: Context) -> str:
    """How packages come from a repository to this host; `usual` where nothing is said."""
    if node is None or empty(node):
        return usual
    if isinstance(node, Scalar) and node.text == "system":
        return "dnf" if shutil.which("dnf") and not shutil.which("apt-get") else "apt"
    if isinstance(node, Scalar) and node.text in _OLDER:
        return _OLDER[node.text]
    word = _MANAGER(node, context)
    return usual if word is FAILED else str(word)


def _check_python(given: dict[str, Node], written: Repository, comes: str, context: Context) -> None:
    """Which Python, and what is to come beside the names that are asked for."""
    for key, (form, expected) in _OF_PYTHON.items():
        if key in given and comes != "python":
            context.report.add(given[key], f"`{key}`", f"no such key beside `manager: {comes}`")
        elif not all(re.fullmatch(form, one) for one in _all(getattr(written, key)) if one):
            context.report.add(given[key], "something else", expected)


def _all(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _trust(node: Mapping, given: dict[str, Node], written: Repository, comes: str, context: Context) -> RepositoryTrust:
    """That nobody signs what is in there has to be written; all else has a root to be checked against."""
    if comes in _KEYS:
        return _key_trust(node, given, written, comes, context)
    trust = written.trust or "tuf"
    signed = "`trust: tuf` with a `root`, or `trust: unsigned`"
    if not written.trusted:
        context.report.add(given["trusted"], "false", signed, "what is not signed is only taken where that is written")
    elif "trusted" in given and trust == "unsigned":
        context.report.add(given["trusted"], "true", f"no such key, as line {given['trust'].line} says `unsigned`")
    elif trust == "cosign":
        context.report.add(given["trust"], "'cosign'", "tuf or unsigned", "so are images signed: `manager: oci`")
    elif trust == "gpg":
        context.report.add(
            given["trust"], "'gpg'", "tuf or unsigned", "so are packages of a system signed: `manager: apt`"
        )
    elif comes in _UNSIGNED and trust != "unsigned":
        context.report.add(node, f"`manager: {comes}`", "`trust: unsigned` beside it", _UNSIGNED[comes])
    elif trust == "tuf" and not written.root and "root" not in given:
        context.report.missing(node, "root", "the root.json of its owner, or `trust: unsigned`")
    elif trust == "unsigned" and "root" in given:
        context.report.add(given["root"], "`root`", "no such key beside `trust: unsigned`", "no signature is looked at")
    elif written.root and (wrong := wrong_root(written.root)):
        context.report.add(given["root"], wrong, "the 1.root.json of its owner")
    return trust


def _key_trust(
    node: Mapping, given: dict[str, Node], written: Repository, comes: str, context: Context
) -> RepositoryTrust:
    """Signed with one key, if at all. What the host has itself is signed with keys of its own."""
    word: RepositoryTrust = "cosign" if comes == "oci" else "gpg"
    owner = "the cosign.pub of its owner" if comes == "oci" else "the public key of its owner"
    trust: RepositoryTrust = written.trust or word
    placed = "url" in given or "path" in given
    if trust not in (word, "unsigned"):
        what = "images are" if comes == "oci" else "packages of this kind are"
        context.report.add(given["trust"], f"'{trust}'", f"{word} or unsigned", f"no {what} signed so")
    elif not written.trusted:
        context.report.add(given["trusted"], "false", f"`trust: {word}` with a `root`, or `trust: unsigned`")
    elif trust == word and not written.root and "root" not in given and (placed or comes == "oci"):
        context.report.missing(node, "root", f"{owner}, or `trust: unsigned`")
    elif trust == "unsigned" and "root" in given:
        context.report.add(given["root"], "`root`", "no such key beside `trust: unsigned`", "no signature is looked at")
    elif trust == "unsigned" and not placed and comes in _SYSTEM:
        context.report.add(given["trust"], "'unsigned'", "gpg, or nothing", "the host says itself what it trusts")
    elif comes == "oci" and written.root and (wrong := wrong_key(written.root)):
        context.report.add(given["root"], wrong, owner)
    return trust


def _credentials(node: Mapping, given: dict[str, Node], written: Shown, context: Context) -> Credentials:
    shown = [key for key in _SHOWN if key in given]
    if "path" in given:
        for key in shown:
            context.report.add(given[key], f"`{key}`", "no such key beside `path`", "a folder asks nobody who they are")
    elif len(ways := [key for key in _WAYS if key in shown]) > 1:
        context.report.add(given[ways[1]], f"`{ways[1]}` beside `{ways[0]}`", "one of `token`, `username` and `netrc`")
    for one, other in _PAIRS:
        if one in shown and other not in shown:
            context.report.missing(node, other, f"a value: there is a `{one}`")
    return Credentials(
        username=written.username,
        password=_reference(given["password"], context) if "password" in given else "",
        token=_reference(given["token"], context) if "token" in given else "",
        certificate=written.certificate,
        key=written.key,
        netrc=written.netrc,
    )


def _reference(node: Node, context: Context) -> str:
    """`${secret:NAME}`, alone."""
    if isinstance(node, Scalar) and re.fullmatch(r"\$\{secret:[^${}]*\}", node.secret):
        known_secrets(node, context)
        return node.secret
    context.report.add(node, "something else", "${secret:NAME} alone", _LITERAL)
    return ""


def _mirrors(given: dict[str, Node], written: Repository, comes: str, context: Context) -> tuple[Mirror, ...]:
    """Where anybody may serve what is signed."""
    if "mirrors" in given and not _is_signed(written, comes):
        context.report.add(given["mirrors"], "`mirrors`", _SIGNED, "whoever runs one could change what is there")
    return tuple(mirror for node in written.mirrors if (mirror := _mirror(node, context)))


def _mirror(node: Node, context: Context) -> Mirror | None:
    """A URL, or that and what is shown there."""
    if not isinstance(node, Mapping):
        return Mirror(_url(node, context))
    written = struct(node, shape.Mirror, context)
    if written is None:
        return None
    given = {key: value for key, value in node.entries.items() if not empty(value)}
    places = [given[key] for key in ("url", "neighbour") if key in given]
    if len(places) != 1:
        context.report.add(node, "both `url` and `neighbour`" if places else "no place", "one of `url` and `neighbour`")
        return None
    return Mirror(_url(places[0], context), "neighbour" in given, _credentials(node, given, written, context))


def _serve(given: dict[str, Node], written: Repository, comes: str, context: Context) -> Memory:
    """Only what others can verify."""
    if "serve" in given and not _is_signed(written, comes):
        context.report.add(given["serve"], "`serve`", _SIGNED, "no neighbour could tell whether it is right")
    return written.serve or Memory(0)


def _is_signed(written: Repository, comes: str) -> bool:
    return comes == "binary" and (written.trust or "tuf") == "tuf"


def _url(node: Node, context: Context) -> str:
    if isinstance(node, Scalar) and not node.secret and re.search("[@?#]", node.text):
        hint = "a name and a password have keys of their own"
        context.report.add(node, "more than a place", "a URL without '@', '?' and '#'", hint)
        return ""
    url = _place(node, context)
    return "" if url is FAILED else url


def _without_slash(written: str) -> str:
    """One spelling of a place. A port that is none is a ValueError as well."""
    parts = urlsplit(written)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or len(written) > 2048:
        raise ValueError(written)
    if re.search(r"[\x00-\x20\x7f\ud800-\udfff]", written):
        raise ValueError(written)
    return written.rstrip("/")


_place = parsed(_without_slash, "a URL such as https://packages.example.org/workers; `path` takes a folder")
