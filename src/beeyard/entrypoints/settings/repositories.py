"""One of the `repositories:` of a file: where it is, how it is known to be right, and what it wants to see.

Looks into none. Passwords are never quoted, nor what may hold one: they stand in `secrets:`, and here only their names.
"""

import re
from urllib.parse import urlsplit

from beeyard.domain.sources import Credentials, RepositorySpec, RepositoryTrust
from beeyard.entrypoints.settings.decode import struct
from beeyard.entrypoints.settings.root_file import wrong_key, wrong_root
from beeyard.entrypoints.settings.sources_shape import Repository
from beeyard.entrypoints.settings.tree import Mapping, Node, Scalar, empty
from beeyard.entrypoints.settings.words import FAILED, Context, choice, known_secrets, parsed

_MANAGERS = ("binary", "directory", "oci")
_MANAGERS_LATER = {"system": "packages of the system"}
_OLDER = {"docker": "oci"}
_SHOWN = ("username", "password", "token", "certificate", "key", "netrc")
_WAYS = ("token", "username", "netrc")
_PAIRS = (("username", "password"), ("password", "username"), ("key", "certificate"))
_LITERAL = "name it under `secrets:`, with where it is fetched from; no password belongs into a worker file"
_MANAGER = choice(_MANAGERS)


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
    if len(places) != 1:
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
        root=written.root,
        packages=written.packages,
        trust=_trust(node, given, written, comes, context),
        credentials=_credentials(node, given, written, context),
    )


def manager(node: Node | None, usual: str, context: Context) -> str:
    """How packages come from a repository to this host; `usual` where nothing is said."""
    if node is None or empty(node):
        return usual
    if isinstance(node, Scalar) and node.text in _MANAGERS_LATER:
        context.report.later(node, _MANAGERS_LATER[node.text], f"{', '.join(_MANAGERS[:-1])} or {_MANAGERS[-1]}")
        return usual
    if isinstance(node, Scalar) and node.text in _OLDER:
        return _OLDER[node.text]
    word = _MANAGER(node, context)
    return usual if word is FAILED else str(word)


def _trust(node: Mapping, given: dict[str, Node], written: Repository, comes: str, context: Context) -> RepositoryTrust:
    """That nobody signs what is in there has to be written; all else has a root to be checked against."""
    if comes == "oci":
        return _image_trust(node, given, written, context)
    trust = written.trust or "tuf"
    signed = "`trust: tuf` with a `root`, or `trust: unsigned`"
    if not written.trusted:
        context.report.add(given["trusted"], "false", signed, "what is not signed is only taken where that is written")
    elif "trusted" in given and trust == "unsigned":
        context.report.add(given["trusted"], "true", f"no such key, as line {given['trust'].line} says `unsigned`")
    elif trust == "cosign":
        context.report.add(given["trust"], "'cosign'", "tuf or unsigned", "so are images signed: `manager: oci`")
    elif comes == "directory" and trust != "unsigned":
        context.report.add(node, "`manager: directory`", "`trust: unsigned` beside it", "nobody signs a folder")
    elif trust == "tuf" and not written.root and "root" not in given:
        context.report.missing(node, "root", "the root.json of its owner, or `trust: unsigned`")
    elif trust == "unsigned" and "root" in given:
        context.report.add(given["root"], "`root`", "no such key beside `trust: unsigned`", "no signature is looked at")
    elif written.root and (wrong := wrong_root(written.root)):
        context.report.add(given["root"], wrong, "the 1.root.json of its owner")
    return trust


def _image_trust(node: Mapping, given: dict[str, Node], written: Repository, context: Context) -> RepositoryTrust:
    """Images are signed with one key, if at all."""
    trust: RepositoryTrust = written.trust or "cosign"
    if trust == "tuf":
        context.report.add(given["trust"], "'tuf'", "cosign or unsigned", "no images are signed so")
    elif not written.trusted:
        context.report.add(given["trusted"], "false", "`trust: cosign` with a `root`, or `trust: unsigned`")
    elif trust == "cosign" and not written.root and "root" not in given:
        context.report.missing(node, "root", "the cosign.pub of its owner, or `trust: unsigned`")
    elif trust == "unsigned" and "root" in given:
        context.report.add(given["root"], "`root`", "no such key beside `trust: unsigned`", "no signature is looked at")
    elif written.root and (wrong := wrong_key(written.root)):
        context.report.add(given["root"], wrong, "the cosign.pub of its owner")
    return trust


def _credentials(node: Mapping, given: dict[str, Node], written: Repository, context: Context) -> Credentials:
    shown = [key for key in _SHOWN if key in given]
    if "path" in given:
        for key in shown:
            context.report.add(given[key], f"`{key}`", "no such key beside `path`", "a folder asks nobody who they are")
    elif len(ways := [key for key in _WAYS if key in shown]) > 1:
        context.report.add(given[ways[1]], f"`{ways[1]}` beside `{ways[0]}`", "one of `token`, `username` and `netrc`")
    for one, other in _PAIRS:
        if one in shown and other not in shown:
            context.report.missing(node, other, f"a value: there is a `{one}`")
    if written.auth_required and not shown:
        expected = "a `token`, a `username` with its `password`, a `netrc` or a `certificate` beside it"
        context.report.add(given["auth_required"], "true", expected)
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
