"""One round of the TUF client: from the root that was pinned to the index of every role, or a reason to believe none.

python-tuf verifies; this sees to what it leaves open. It is made anew for each round, for one notices no expiry after
its birth. A refused request is never taken for "no newer root", and no file is longer than it may be. Roles that did
not change are not read again. The folder bears one round at a time; who calls sees to that.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from tuf.api import exceptions
from tuf.api.metadata import Metadata, Snapshot, Targets
from tuf.api.serialization import DeserializationError
from tuf.ngclient import FetcherInterface, Updater

from beeyard.adapters.repositories import index, layout
from beeyard.adapters.repositories.beside import Read
from beeyard.adapters.repositories.index import Index
from beeyard.domain.errors import BeeyardError, Invalid, Unavailable, Untrusted

MOST = 64 * 2**20
"""Bytes of one file of metadata, whatever a snapshot says: some 400,000 builds."""


def update(repository: str, root: bytes, folder: Path, read: Read, known: Mapping[str, Index]) -> dict[str, Index]:
    """Every delegated role, in the order in which they are trusted; `known` ones that did not change stay as they are.

    Raises:
        Unavailable: a file is missing, or what `read` raises.
        Untrusted: what there is is not to be believed.
        Invalid: the pinned root is none.
        OSError: the folder.
    """
    fetcher = _Fetcher(repository, read)
    try:
        updater = _updater(repository, root, folder, fetcher)
        updater.refresh()
        return _roles(repository, updater, folder, known)
    except exceptions.DownloadError as error:
        text, hint = "{repository} holds no {file}", "it is not whole: whoever runs it publishes it again"
        fields = {"repository": repository, "file": fetcher.asked or str(error)}
        raise Unavailable("repository_incomplete", text, hint=hint, **fields) from None
    except exceptions.RepositoryError as error:
        raise _refusal(repository, fetcher.asked, error) from error


def _updater(repository: str, root: bytes, folder: Path, fetcher: FetcherInterface) -> Updater:
    try:
        return Updater(str(folder), f"{layout.METADATA}/", fetcher=fetcher, bootstrap=root)
    except exceptions.RepositoryError as error:
        text, hint = "the root that is pinned for {repository} is none ({reason})", "look at the file under `root`"
        raise Invalid("repository_root", text, hint=hint, repository=repository, reason=str(error)) from error


def _roles(repository: str, updater: Updater, folder: Path, known: Mapping[str, Index]) -> dict[str, Index]:
    snapshot = Metadata[Snapshot].from_file(str(folder / "snapshot.json")).signed
    targets = Metadata[Targets].from_file(str(folder / "targets.json")).signed
    delegated = targets.delegations.roles if targets.delegations else {}
    roles = {}
    for name, role in (delegated or {}).items():
        # Others could end a search before it comes to ours, and then nobody had verified ours.
        if not layout.may_be_delegated(name) or role.paths != layout.patterns(name):
            text = "{repository} lets {role} sign {paths}, which is no origin and no channel"
            fields = {"repository": repository, "role": name, "paths": role.paths}
            raise Untrusted("repository_foreign", text, hint="it was not made for Beeyard, or a key was lost", **fields)
        meta = snapshot.meta.get(f"{name}.json")
        keys = {key: targets.delegations.keys[key].to_dict() for key in role.keyids} if targets.delegations else {}
        key: Any = (meta and meta.to_dict(), role.to_dict(), keys)
        before = known.get(name)
        if before and before.key == key and before.fresh:
            roles[name] = before
            continue
        updater.get_targetinfo(layout.probe(name))  # loads the role and verifies it, by signatures and by snapshot
        try:
            roles[name] = index.read(name, key, (folder / f"{quote(name, '')}.json").read_bytes())
        except msgspec.DecodeError as error:
            raise _refusal(repository, f"{name}.json", exceptions.RepositoryError(str(error))) from error
    return roles


class _Fetcher(FetcherInterface):
    """Brings python-tuf its metadata."""

    def __init__(self, repository: str, read: Read) -> None:
        self._repository = repository
        self._read = read
        self.asked = ""

    def download_bytes(self, url: str, max_length: int) -> bytes:
        self.asked = url.removeprefix(f"{layout.METADATA}/")
        data = self._read(url, min(max_length, MOST))
        if data is None:
            raise exceptions.DownloadHTTPError(f"{self.asked} is not there", 404)
        return data

    def _fetch(self, url: str) -> Iterator[bytes]:
        return iter([self.download_bytes(url, MOST)])


_REFUSALS: tuple[tuple[type[Exception], str, str, str], ...] = (
    (
        exceptions.ExpiredMetadataError,
        "repository_expired",
        "{repository} is out of date ({reason})",
        "if it stays so: somebody holds back what is newer, or its owner has to sign and publish again",
    ),
    (
        exceptions.UnsignedMetadataError,
        "repository_signature",
        "{repository}: {file} is not signed by enough of those who may ({reason})",
        "a key was taken or lost, or this is another repository: ask whoever runs it, and look at the pinned root",
    ),
    (
        exceptions.BadVersionNumberError,
        "repository_rolled_back",
        "{repository}: {file} is older than what was there before ({reason})",
        "somebody serves an old state, or it was restored from a backup: ask whoever runs it",
    ),
    (
        exceptions.LengthOrHashMismatchError,
        "repository_mixed",
        "{repository}: {file} does not belong to the state that was signed ({reason})",
        "somebody mixes old and new, or a copy of it is not whole: try again, then ask whoever runs it",
    ),
    (
        DeserializationError,
        "repository_unreadable",
        "{repository}: {file} is no metadata ({reason})",
        "this is no signed repository, or a file in it is damaged",
    ),
    (
        exceptions.RepositoryError,
        "repository_wrong",
        "{repository}: {file} contradicts the rest ({reason})",
        "ask whoever runs it",
    ),
)


def _refusal(repository: str, file: str, error: Exception) -> BeeyardError:
    """In our words; the first kind that fits."""
    astray = isinstance(error, exceptions.BadVersionNumberError) and file.endswith("root.json")
    for kind, code, text, hint in _REFUSALS[-1:] if astray else _REFUSALS:
        if isinstance(error, kind):
            return Untrusted(code, text, hint=hint, repository=repository, file=file, reason=str(error))
    raise error
