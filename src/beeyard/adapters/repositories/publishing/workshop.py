"""Where a repository is made: its folder, the folder with its keys, and the newest version of each role.

A role that was written is not visible yet. It lies beside the older ones, its version in its name, until a snapshot
names it; `release` makes that snapshot. So every step may fail, and readers see nothing of it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from msgspec import Struct
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import TOP_LEVEL_ROLE_NAMES, Metadata, Root, Snapshot, Targets, Timestamp

from beeyard.adapters.repositories import layout
from beeyard.adapters.repositories.publishing import files, keys
from beeyard.adapters.repositories.publishing.keys import CryptoSigner
from beeyard.domain.errors import Invalid, NotFound, Refused

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)
Now = Callable[[], datetime]

LIFE = {"root": timedelta(days=365), "snapshot": timedelta(days=30), "timestamp": timedelta(days=7)}
"""How long what was signed is good for. The shorter, the sooner a reader notices that somebody holds back news."""
LIFE_OF_TARGETS = timedelta(days=365)


class Done(Struct, frozen=True):
    """What was done, a sentence each, and what to do next."""

    did: list[str]
    next: str


def utc() -> datetime:
    """Now, in whole seconds as metadata has them."""
    return datetime.now(UTC).replace(microsecond=0)


class Workshop:
    """One repository that is ours."""

    def __init__(
        self,
        folder: Path,
        key_folder: Path,
        passphrase: str = "",
        now: Now = utc,
        *,
        given: Mapping[str, str] = MappingProxyType({}),
        patience: float = files.PATIENCE,
    ) -> None:
        """`given`: variables that may hold keys, each before any file of it. `patience`: seconds for others' work."""
        self.given = given
        self.patience = patience
        self.folder = folder
        self.key_folder = key_folder
        self.passphrase = passphrase
        self.now = now
        self.metadata = folder / layout.METADATA
        self.staged = folder / "staged"

    @contextmanager
    def open(self) -> Iterator[None]:
        """For one command. Raises NotFound where there is no repository, Refused while somebody else works on it."""
        if not self.exists():
            text, hint = "{folder} is no repository", f"make one: beeyard repo init {self.folder}"
            raise NotFound("no_such_repository", text, folder=str(self.folder), hint=hint)
        with files.alone(self.metadata, self.patience):
            yield

    def exists(self) -> bool:
        """Whether there is a repository."""
        return self.file("targets") is not None

    def root(self) -> Root | None:
        """The one that readers see; None while the first still lacks signatures."""
        found = self._newest("root", self.metadata)
        return self._load(found, Root).signed if found else None

    def staged_root(self) -> Metadata[Root] | None:
        """The next one, while it lacks signatures or was not published."""
        found = self._newest("root", self.staged)
        return self._load(found, Root) if found else None

    def missing(self) -> int:
        """How many signatures the staged root lacks; one key may give it two, if it was a key before too."""
        staged = self.staged_root()
        return max(lacks for lacks, _ in self.lacking(staged)) if staged else 0

    def lacking(self, staged: Metadata[Root]) -> list[tuple[int, str]]:
        """How many signatures it lacks, and of whose keys: its own count, and those of the root before it."""
        before = self.root()
        result = staged.signed.get_root_verification_result(before, staged.signed_bytes, staged.signatures)
        if before is None or before.roles["root"].keyids == staged.signed.roles["root"].keyids:
            return [(max(result.first.missing, result.second.missing), "")]
        return [
            (result.first.missing, f"of the keys of root {before.version}"),
            (result.second.missing, "of the new keys"),
        ]

    def coming_root(self) -> Root | None:
        """The one that readers see after the next `publish`; None while the first lacks signatures."""
        staged = self.staged_root()
        return staged.signed if staged and not self.missing() else self.root()

    def next_root(self) -> Root:
        """The one that is staged, or else the one after that which readers see: to be changed, signed and staged."""
        staged, root = self.staged_root(), self.root()
        if staged:
            return staged.signed
        assert root is not None
        root.version += 1
        root.expires = self.now() + LIFE["root"]
        return root

    def stage(self, root: Metadata[Root]) -> None:
        """Keep the next root where no reader looks."""
        files.write(self.staged / f"{root.signed.version}.root.json", root.to_bytes())

    def newest(self, role: str, kind: type[S]) -> S | None:
        """The last that was written of a role, visible or not."""
        found = self.file(role)
        return self._load(found, kind).signed if found else None

    def targets(self) -> Targets:
        """The role that says who may sign what."""
        found = self.newest("targets", Targets)
        assert found is not None
        return found

    def delegated(self) -> list[str]:
        """Origins and channels, in the order in which they are trusted."""
        delegations = self.targets().delegations
        return list(delegations.roles or {}) if delegations else []

    def file(self, role: str) -> Path | None:
        """The file of the newest version."""
        return self._newest(role, self.metadata)

    def signer(self, role: str) -> CryptoSigner:
        """The key of a role. Raises NotFound, Refused, Denied, Invalid."""
        if self.is_given(role):
            return keys.read(self.given[keys.variable(role)].encode(), self.key_name(role), self.passphrase)
        return keys.load(self.key_file(role), self.passphrase)

    def has_key(self, role: str) -> bool:
        """Whether its key is here."""
        return self.is_given(role) or self.key_file(role).exists()

    def is_given(self, role: str) -> bool:
        """Whether a variable holds it."""
        return bool(self.given.get(keys.variable(role)))

    def key_name(self, role: str) -> str:
        """Where its key stands, for people."""
        return f"${keys.variable(role)}" if self.is_given(role) else str(self.key_file(role))

    def key_file(self, role: str) -> Path:
        return self.key_folder / f"{role}{keys.KEY}"

    def write(self, role: str, signed: S, life: timedelta | None = None) -> None:
        """Sign the next version of a role. The caller counts up nothing. Raises what `signer` raises, and Refused."""
        signer = self._entitled(role)
        signed.version = self._version(role) + 1
        signed.expires = self.now() + (life or LIFE.get(role, LIFE_OF_TARGETS))
        metadata = Metadata(signed)
        for known in (signer, *self._outgoing(role)):
            metadata.sign(known, append=True)
        name = "timestamp.json" if role == "timestamp" else f"{signed.version}.{role}.json"
        files.write(self.metadata / name, metadata.to_bytes())

    def keyids(self, role: str) -> list[str]:
        """Who may sign a role: as the coming root says, or as targets say."""
        if role in TOP_LEVEL_ROLE_NAMES:
            staged = self.staged_root()
            root = self.coming_root() or (staged.signed if staged else None)
            assert root is not None
            return root.roles[role].keyids
        return self.targets().get_delegated_role(role).keyids

    def _entitled(self, role: str) -> CryptoSigner:
        """The key of a role, or the one before it while the root that names the new one lacks signatures."""
        signer, known = self.signer(role), self.keyids(role)
        if signer.public_key.keyid in known:
            return signer
        if before := next((file for keyid in known if (file := self.retired(role, keyid)).exists()), None):
            return keys.load(before, self.passphrase)
        text = "{role} is not to be signed with the key {file}"
        hint = "unset the variable, or put the right key into it" if self.is_given(role) else "bring the right key"
        if role in TOP_LEVEL_ROLE_NAMES and self.staged_root():
            hint = "a new root still lacks signatures: beeyard repo sign"
        raise Refused("wrong_key", text, role=role, file=self.key_name(role), hint=hint)

    def _outgoing(self, role: str) -> list[CryptoSigner]:
        """Keys that the root names which readers see now, and the coming one does not.

        Signed with both, what we write is good before and after the change of roots, so no reader falls between.
        """
        root = self.root() if role in TOP_LEVEL_ROLE_NAMES else None
        leaving = set(root.roles[role].keyids) - set(self.keyids(role)) if root else ()
        files_of = {keyid: self.retired(role, keyid) for keyid in leaving}
        return [keys.load(file, self.passphrase) for file in files_of.values() if file.exists()]

    def retired(self, role: str, keyid: str) -> Path:
        """Where the key of a role lies after it was replaced."""
        return self.key_folder / f"{role}{keys.KEY}.retired-{keyid[:12]}"

    def _version(self, role: str) -> int:
        """Of the newest, 0 of none."""
        if role == "timestamp":
            found = self.newest(role, Timestamp)
            return found.version if found else 0
        file = self.file(role)
        return int(file.name.partition(".")[0]) if file else 0

    def _newest(self, role: str, folder: Path) -> Path | None:
        if role == "timestamp":
            file = folder / "timestamp.json"
            return file if file.exists() else None
        pattern = re.compile(rf"([1-9]\d*)\.{re.escape(role)}\.json")
        found = [(int(match[1]), file) for file in _files(folder) if (match := pattern.fullmatch(file.name))]
        return max(found)[1] if found else None

    def _load(self, file: Path, kind: type[S]) -> Metadata[S]:
        try:
            metadata = Metadata[S].from_file(str(file))
        except RepositoryError as error:
            text = "{file} can't be read: {reason}"
            raise Invalid("repository_unreadable", text, file=str(file), reason=str(error)) from error
        if not isinstance(metadata.signed, kind):
            raise Invalid("repository_unreadable", "{file} is not what its name says", file=str(file))
        return metadata


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
