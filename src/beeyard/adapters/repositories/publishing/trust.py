"""Who may sign: the root with its threshold of keys, kept elsewhere, and the keys of the roles below it.

A root that lacks signatures is staged where no reader looks; it becomes visible with `release.publish`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from tuf.api.metadata import TOP_LEVEL_ROLE_NAMES, DelegatedRole, Delegations, Metadata, Root, Targets

from beeyard.adapters.repositories import layout
from beeyard.adapters.repositories.publishing import files, keys
from beeyard.adapters.repositories.publishing.keys import CryptoSigner, SSlibKey
from beeyard.adapters.repositories.publishing.workshop import LIFE, LIFE_OF_TARGETS, Done, Workshop
from beeyard.domain.errors import Invalid, NotFound, Refused

ONLINE = ("targets", "snapshot", "timestamp")
RENEWED = 3
"""What has less than a third of its life left is signed anew."""


def init(workshop: Workshop, root_keys: Sequence[Path], threshold: int) -> Done:
    """Make keys and a first root. A root key that ends in .pub is somebody else's; one that is missing is made.

    Raises:
        Refused: there is a repository or a key already.
        Invalid: the threshold can't be met.
    """
    if not 1 <= threshold <= len(root_keys):
        text, hint = "{threshold} of {count} keys can't sign a root", "from 1 to the number of --root-key"
        raise Invalid("threshold", text, threshold=threshold, count=len(root_keys), hint=hint)
    with files.alone(workshop.key_folder):
        if workshop.exists():
            text, hint = "{folder} is a repository already", f"beeyard repo add {workshop.folder} BUILD"
            raise Refused("repository_exists", text, folder=str(workshop.folder), hint=hint)
        root = Root(1, expires=workshop.now() + LIFE["root"], consistent_snapshot=True)
        did, signers = [], []
        for path in root_keys:
            key, signer, sentence = _root_key(path, workshop.passphrase)
            root.add_key(key, "root")
            did.append(sentence)
            signers += [signer] if signer else []
        if len(root.roles["root"].keyids) != len(root_keys):
            raise Invalid("threshold", "the same root key is named twice", hint="each --root-key is another key")
        root.roles["root"].threshold = threshold
        for role in ONLINE:
            root.add_key(keys.create(workshop.key_file(role), workshop.passphrase).public_key, role)
        did.append(f"made the keys of {', '.join(ONLINE)} in {workshop.key_folder}")
        workshop.stage(_signed(Metadata(root), signers))
        workshop.write("targets", Targets(1))
    return Done([*did, *_standing(workshop)], _next(workshop))


def sign(workshop: Workshop, key_files: Sequence[Path] = (), rotate: Sequence[str] = ()) -> Done:
    """Sign the next root with offline keys, give roles new keys, and renew what expires before long.

    Raises:
        NotFound, Denied: a key.
        Refused: a key that may not sign the root.
    """
    with workshop.open():
        did = [_rotated_top(workshop, role) for role in rotate if role in TOP_LEVEL_ROLE_NAMES]
        root = workshop.root()
        if not workshop.staged_root() and root and (key_files or due(workshop, root.expires, LIFE["root"])):
            did.append(_next_root(workshop, root))
        did += [_with(workshop, path) for path in key_files]
        did += [_rotated(workshop, role) for role in rotate if role not in TOP_LEVEL_ROLE_NAMES]
        for role in ("targets", *workshop.delegated()):
            found = workshop.newest(role, Targets)
            if found and due(workshop, found.expires, LIFE_OF_TARGETS):
                workshop.write(role, found)
                did.append(f"renewed {role}: version {found.version}")
        did += _standing(workshop)
        return Done(did or ["nothing expires soon"], _next(workshop))


def delegate(workshop: Workshop, role: str) -> str:
    """Make an origin or a channel with a key of its own. What was done."""
    file = workshop.key_file(role)
    made = keys.load if file.exists() else keys.create  # it is there if we were stopped here before
    key = made(file, workshop.passphrase).public_key
    targets = workshop.targets()
    targets.delegations = targets.delegations or Delegations({}, {})
    assert targets.delegations.roles is not None
    targets.delegations.roles[role] = DelegatedRole(role, [], 1, terminating=False, paths=layout.patterns(role))
    targets.add_key(key, role)
    workshop.write("targets", targets)
    workshop.write(role, Targets(1))
    return f"made the role {role} with the key {file}"


def due(workshop: Workshop, expires: datetime, life: timedelta) -> bool:
    """Whether it is time to sign it anew."""
    return expires < workshop.now() + life / RENEWED


def _root_key(path: Path, passphrase: str) -> tuple[SSlibKey, CryptoSigner | None, str]:
    if path.suffix == keys.PUB:
        return keys.public(path), None, f"the root key {path} is somebody else's"
    if path.exists():
        signer = keys.load(path, passphrase)
        return signer.public_key, signer, f"took the root key {path}"
    signer = keys.create(path, passphrase)
    return signer.public_key, signer, f"made the root key {path}: keep it offline"


def _next_root(workshop: Workshop, root: Root) -> str:
    root.version += 1
    root.expires = workshop.now() + LIFE["root"]
    workshop.stage(Metadata(root))
    return f"staged root {root.version}"


def _rotated_top(workshop: Workshop, role: str) -> str:
    """A new key for one of the root's roles, from the next root on."""
    if role == "root":
        raise _no_role(role)
    key = _replaced(workshop, role)
    root = workshop.root()
    if not workshop.staged_root() and root:
        _next_root(workshop, root)
    staged = workshop.staged_root()
    assert staged is not None
    for keyid in list(staged.signed.roles[role].keyids):
        staged.signed.revoke_key(keyid, role)
    staged.signed.add_key(key, role)
    workshop.stage(Metadata(staged.signed))
    return f"gave {role} a new key, in root {staged.signed.version}"


def _rotated(workshop: Workshop, role: str) -> str:
    """A new key for an origin or a channel."""
    if role not in workshop.delegated():
        raise _no_role(role)
    key = _replaced(workshop, role)
    targets = workshop.targets()
    for keyid in list(targets.get_delegated_role(role).keyids):
        targets.revoke_key(keyid, role)
    targets.add_key(key, role)
    workshop.write("targets", targets)
    workshop.write(role, workshop.newest(role, Targets) or Targets(1))
    return f"gave {role} a new key"


def _replaced(workshop: Workshop, role: str) -> SSlibKey:
    """The public half of a new key; the files of the old one are put aside."""
    file = workshop.key_file(role)
    file.rename(workshop.retired(role, keys.load(file, workshop.passphrase).public_key.keyid))
    file.with_suffix(keys.PUB).unlink(missing_ok=True)
    return keys.create(file, workshop.passphrase).public_key


def _no_role(role: str) -> NotFound:
    text, hint = "{role} has no key to rotate", "an origin, channel-NAME, targets, snapshot or timestamp"
    return NotFound("no_such_role", text, role=role, hint=hint)


def _with(workshop: Workshop, path: Path) -> str:
    signer, staged, before = keys.load(path, workshop.passphrase), workshop.staged_root(), workshop.root()
    assert staged is not None
    allowed = {*staged.signed.roles["root"].keyids, *(before.roles["root"].keyids if before else ())}
    if signer.public_key.keyid not in allowed:
        text, hint = "{file} is none of the keys of root {version}", "bring one that --root-key named"
        raise Refused("wrong_key", text, file=str(path), version=staged.signed.version, hint=hint)
    workshop.stage(_signed(staged, [signer]))
    return f"signed root {staged.signed.version} with {path}"


def _signed(root: Metadata[Root], signers: Sequence[CryptoSigner]) -> Metadata[Root]:
    for signer in signers:
        root.sign(signer, append=True)
    return root


def _standing(workshop: Workshop) -> list[str]:
    staged, lacks = workshop.staged_root(), workshop.missing()
    if staged is None:
        return []
    how = f"lacks {lacks} signature{'s' * (lacks != 1)}" if lacks else "has its signatures"
    return [f"root {staged.signed.version} {how}"]


def _next(workshop: Workshop) -> str:
    if workshop.missing():
        return f"beeyard repo sign {workshop.folder} --key KEY, with another of the root keys"
    return f"beeyard repo publish {workshop.folder}"
