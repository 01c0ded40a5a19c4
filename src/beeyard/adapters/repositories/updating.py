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
from tuf.ngclient import FetcherInterface, Updater

from beeyard.adapters.repositories import index, layout
from beeyard.adapters.repositories.beside import Read
from beeyard.adapters.repositories.index import Index
from beeyard.adapters.repositories.refusals import expired, refusal
from beeyard.domain.errors import BeeyardError, Invalid, Unavailable, Untrusted

MOST = 64 * 2**20
"""Bytes of one file of metadata, whatever a snapshot says: some 400,000 builds."""


def update(repository: str, root: bytes, folder: Path, read: Read, known: Mapping[str, Index]) -> dict[str, Index]:
    """Every delegated role, in the order in which they are trusted; `known` ones that did not change stay as they are.

    A role that is not to be believed costs only what it signed: its index says why.

    Raises:
        Unavailable: a file is missing, or what `read` raises.
        Untrusted: what there is is not to be believed.
        Invalid: what is pinned is not a root.
        OSError: the folder.
    """
    fetcher = _Fetcher(repository, read)
    updater = _updater(repository, root, folder, fetcher)
    try:
        updater.refresh()
    except (exceptions.DownloadError, exceptions.RepositoryError) as error:
        raise _why(repository, folder, fetcher, error) from error
    return _roles(repository, updater, folder, fetcher, known)


def _updater(repository: str, root: bytes, folder: Path, fetcher: FetcherInterface) -> Updater:
    try:
        return Updater(str(folder), f"{layout.METADATA}/", fetcher=fetcher, bootstrap=root)
    except exceptions.RepositoryError as error:
        text = "the file under `root` of {repository} is not the root of a repository"
        hint = "it has to be the 1.root.json of its owner: look at it"
        raise Invalid("repository_root", text, hint=hint, repository=repository) from error


def _roles(
    repository: str, updater: Updater, folder: Path, fetcher: "_Fetcher", known: Mapping[str, Index]
) -> dict[str, Index]:
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
        roles[name] = (
            before
            if before and before.key == key and before.good
            else _role(repository, updater, folder, fetcher, name, key)
        )
    return roles


def _role(repository: str, updater: Updater, folder: Path, fetcher: "_Fetcher", name: str, key: object) -> Index:
    """Loaded, and verified by signatures and by snapshot; or as one that is refused."""
    try:
        updater.get_targetinfo(layout.probe(name))
        return index.read(name, key, _file(folder, name).read_bytes())
    except (exceptions.DownloadError, exceptions.RepositoryError) as error:
        why = _why(repository, folder, fetcher, error)
        # Its end is what python-tuf looks at last: what it holds is as its keys and the snapshot say.
        data = fetcher.brought if expired(error) == name else b""
        if (
            data
        ):  # Whoever copies the repository takes it from here; readers of the copy are to be told its end as well.
            _file(folder, name).write_bytes(data)
        return index.refused(name, key, data, why)
    except msgspec.DecodeError as error:
        why = refusal(repository, f"{name}.json", exceptions.RepositoryError(str(error)))
        return index.refused(name, key, b"", why)
    except Untrusted as why:
        return index.refused(name, key, b"", why)


def _file(folder: Path, role: str) -> Path:
    """Where python-tuf keeps a role."""
    return folder / f"{quote(role, '')}.json"


def _why(repository: str, folder: Path, fetcher: "_Fetcher", error: Exception) -> BeeyardError:
    if not isinstance(error, exceptions.RepositoryError):
        text, hint = "{repository} holds no {file}", "it is not whole: whoever runs it publishes it again"
        fields = {"repository": repository, "file": fetcher.asked or str(error)}
        return Unavailable("repository_incomplete", text, hint=hint, **fields)
    role, until = expired(error), ""
    if role:
        try:
            there = fetcher.asked.endswith(f"{role}.json")
            data = fetcher.brought if there else _file(folder, role).read_bytes()
            until = f"{index.end(data):%Y-%m-%d %H:%M} UTC"
        except (OSError, msgspec.DecodeError):
            until = "before now"
    return refusal(repository, fetcher.asked, error, until)


class _Fetcher(FetcherInterface):
    """Brings python-tuf its metadata."""

    def __init__(self, repository: str, read: Read) -> None:
        self._repository = repository
        self._read = read
        self.asked = ""
        self.brought = b""

    def download_bytes(self, url: str, max_length: int) -> bytes:
        self.asked = url.removeprefix(f"{layout.METADATA}/")
        data = self._read(url, min(max_length, MOST))
        if data is None:
            raise exceptions.DownloadHTTPError(f"{self.asked} is not there", 404)
        self.brought = data
        return data

    def _fetch(self, url: str) -> Iterator[bytes]:
        return iter([self.download_bytes(url, MOST)])
