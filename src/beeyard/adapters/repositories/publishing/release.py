"""Makes everything that was written visible, in one step: the new timestamp.

What it names was written before it, each version under a name of its own, and what it named before stays. So a reader
sees the state before or the one after, whole, at any moment, and after a crash anywhere. A new root follows it: what it
says of the other roles is true of the new state already, for that is signed by the keys of both roots.
"""

from datetime import datetime, timedelta

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from beeyard.adapters.repositories import index
from beeyard.adapters.repositories.publishing import files, trust
from beeyard.adapters.repositories.publishing.workshop import LIFE, Done, Workshop
from beeyard.domain.errors import Refused


def publish(workshop: Workshop, life: timedelta = LIFE["timestamp"]) -> Done:
    """`life`: how long readers may rely on this state without another `publish`.

    Raises:
        Refused: the root lacks signatures, it or targets has expired, or a role is signed by the wrong key.
        NotFound, Denied: a key.
    """
    with workshop.open():
        root = workshop.coming_root()
        if root is None:
            text, hint = "the root lacks signatures: {count}", f"beeyard repo sign {workshop.folder} --key KEY"
            raise Refused("root_unsigned", text, count=workshop.missing(), hint=hint)
        _fresh(workshop, "root", root.expires)
        if not _signed(workshop, root, "targets"):
            workshop.write("targets", workshop.targets())
        did = _snapshot(workshop, root)
        file = workshop.file("snapshot")
        assert file is not None
        data = file.read_bytes()
        version = Metadata[Snapshot].from_bytes(data).signed.version
        timestamp = Timestamp(1, snapshot_meta=MetaFile.from_data(version, data, ["sha256"]))
        workshop.write("timestamp", timestamp, life)
        did += _reveal(workshop) + _over(workshop)
        did.append(f"published; good until {timestamp.expires:%Y-%m-%d %H:%M} UTC")
        return Done(did, f"before then, and after each change: beeyard repo publish {workshop.folder}")


def _snapshot(workshop: Workshop, root: Root) -> list[str]:
    """Make the snapshot of all there is now, unless the one before still says it. What was done."""
    targets = workshop.targets()
    _fresh(workshop, "targets", targets.expires)
    meta = {
        f"{role}.json": _meta(workshop, role, root if role == "targets" else targets)
        for role in ("targets", *workshop.delegated())
    }
    before = workshop.newest("snapshot", Snapshot)
    stands = before and before.meta == meta and not trust.due(workshop, before.expires, LIFE["snapshot"])
    if stands and _signed(workshop, root, "snapshot"):
        return []
    snapshot = Snapshot(1, meta=meta)
    workshop.write("snapshot", snapshot)
    return [f"made snapshot {snapshot.version}: {len(meta)} role{'s' if len(meta) > 1 else ''}"]


def _reveal(workshop: Workshop) -> list[str]:
    """Make a staged root visible, if it has its signatures."""
    staged = workshop.staged_root()
    if staged is None:
        return []
    version = staged.signed.version
    if lacks := workshop.missing():
        return [f"root {version} stays staged: it lacks {lacks} signature{'s' * (lacks != 1)}"]
    file = workshop.staged / f"{version}.root.json"
    files.write(workshop.metadata / file.name, file.read_bytes())
    file.unlink()
    return [f"made root {version} visible" + f": readers pin {workshop.metadata / file.name}" * (version == 1)]


def _meta(workshop: Workshop, role: str, delegator: Root | Targets) -> MetaFile:
    """What the snapshot says of a role. Raises Refused if no reader would take it."""
    if not _signed(workshop, delegator, role):
        text, hint = "{role} is not signed by its key", f"beeyard repo sign {workshop.folder}"
        raise Refused("wrong_key", text, role=role, hint=hint)
    file = workshop.file(role)
    assert file is not None
    data = file.read_bytes()
    return MetaFile.from_data(Metadata[Targets].from_bytes(data).signed.version, data, ["sha256"])


def _over(workshop: Workshop) -> list[str]:
    """Origins and channels that are out of date: that costs what they signed, and is no reason to hold back others."""
    ends = {role: index.end(file.read_bytes()) for role in workshop.delegated() if (file := workshop.file(role))}
    return [
        f"{role} expired on {end:%Y-%m-%d}: nothing of it can be had before beeyard repo sign {workshop.folder}"
        for role, end in ends.items()
        if end <= workshop.now()
    ]


def _signed(workshop: Workshop, delegator: Root | Targets, role: str) -> bool:
    """Whether the newest version of a role is signed by those who may."""
    file = workshop.file(role)
    assert file is not None
    metadata = Metadata[Targets].from_file(str(file))
    try:
        delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except RepositoryError:
        return False
    return True


def _fresh(workshop: Workshop, role: str, expires: datetime) -> None:
    if expires <= workshop.now():
        text, hint = "{role} expired on {date}", f"beeyard repo sign {workshop.folder}"
        raise Refused("metadata_expired", text, role=role, date=f"{expires:%Y-%m-%d}", hint=hint)
