"""Who may sign: the root with its threshold of keys, kept elsewhere, and the keys of the roles below it.

A root that lacks signatures is staged where no reader looks; it becomes visible with `release.publish`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from tuf.api.metadata import TOP_LEVEL_ROLE_NAMES, DelegatedRole, Delegations, Metadata, Root, Targets

from beeyard.adapters.repositories import layout
from beeyard.adapters.repositories.publishing import files, keys, rootkeys, rotation
from beeyard.adapters.repositories.publishing.workshop import LIFE, LIFE_OF_TARGETS, Done, Workshop
from beeyard.domain.errors import Invalid, Refused

ONLINE = ("targets", "snapshot", "timestamp")
RENEWED = 3
"""What has less than a third of its life left is signed anew."""


def init(workshop: Workshop, root_keys: Sequence[Path], threshold: int) -> Done:
    """Make keys and a first root. A root key that ends in .pub is somebody else's; one that is missing is made.

    Raises:
        Refused: there is a repository or a key already.
        Invalid: the threshold can't be met.
    """
    rootkeys.check(threshold, len(root_keys))
    with files.told(workshop.key_folder):
        workshop.key_folder.mkdir(0o700, parents=True, exist_ok=True)
    with files.alone(workshop.key_folder):
        if workshop.exists():
            text, hint = "{folder} is a repository already", f"beeyard repo add {workshop.folder} BUILD"
            raise Refused("repository_exists", text, folder=str(workshop.folder), hint=hint)
        root = Root(1, expires=workshop.now() + LIFE["root"], consistent_snapshot=True)
        signers, did = rootkeys.give(root, root_keys, threshold, workshop.passphrase)
        for role in ONLINE:
            root.add_key(keys.create(workshop.key_file(role), workshop.passphrase).public_key, role)
        did.append(f"made the keys of {', '.join(ONLINE)} in {workshop.key_folder}")
        workshop.stage(rootkeys.signed(Metadata(root), signers))
        workshop.write("targets", Targets(1))
    return Done([*did, *_standing(workshop)], _next(workshop))


def sign(
    workshop: Workshop,
    key_files: Sequence[Path] = (),
    rotate: Sequence[str] = (),
    root_keys: Sequence[Path] = (),
    threshold: int | None = None,
) -> Done:
    """Sign the next root with offline keys, give roles new keys, and renew what expires before long.

    `root_keys`: when the root itself is rotated, all keys that it is to have, in the words of `init`; `threshold`: how
    many of them sign, None for as many as before.

    Raises:
        NotFound, Denied: a key, or a role; nothing was changed.
        Refused: a key that may not sign the root.
        Invalid: the threshold can't be met; keys of a root that is not rotated.
    """
    if bool(root_keys) != ("root" in rotate) or (threshold is not None and not root_keys):
        text = "the keys of the root are replaced by naming all that it is to have"
        raise Invalid("root_keys", text, hint="--rotate root, with --root-key FILE for each, also for those that stay")
    with workshop.open():
        for path in set(key_files).difference(root_keys):  # What is not there is told before anything is changed.
            keys.load(path, workshop.passphrase)
        rotation.require(workshop, rotate)
        did = rotation.of_root(workshop, root_keys, threshold) if root_keys else []
        did += [rotation.of_online(workshop, role) for role in rotate if role in ONLINE]
        root = workshop.root()
        if not workshop.staged_root() and root and (key_files or due(workshop, root.expires, LIFE["root"])):
            did.append(_next_root(workshop))
        did += [_with(workshop, path) for path in key_files]
        did += [rotation.of_delegated(workshop, role) for role in rotate if role not in TOP_LEVEL_ROLE_NAMES]
        for role in ("targets", *workshop.delegated()):
            found = workshop.newest(role, Targets)
            if found and due(workshop, found.expires, LIFE_OF_TARGETS):
                did.append(_renewed(workshop, role, found))
        did += _standing(workshop)
        return Done(did or ["nothing expires soon"], _next(workshop))


def delegate(workshop: Workshop, role: str) -> str:
    """Make an origin or a channel with a key of its own. What was done."""
    file = workshop.key_file(role)
    workshop.signer("targets")  # Without that a new key would be of no use.
    there = workshop.has_key(role)  # given, or made before we were stopped here
    key = (workshop.signer(role) if there else keys.create(file, workshop.passphrase)).public_key
    targets = workshop.targets()
    targets.delegations = targets.delegations or Delegations({}, {})
    assert targets.delegations.roles is not None
    targets.delegations.roles[role] = DelegatedRole(role, [], 1, terminating=False, paths=layout.patterns(role))
    targets.add_key(key, role)
    workshop.write("targets", targets)
    workshop.write(role, Targets(1))
    return f"made the role {role} with the key {workshop.key_name(role)}"


def due(workshop: Workshop, expires: datetime, life: timedelta) -> bool:
    """Whether it is time to sign it anew."""
    return expires < workshop.now() + life / RENEWED


def _renewed(workshop: Workshop, role: str, found: Targets) -> str:
    """Where the root is signed, the other keys need not be."""
    if not workshop.has_key(role):
        return f"{role} expires on {found.expires:%Y-%m-%d}, and its key is not here: renew it where it is"
    workshop.write(role, found)
    return f"renewed {role}: version {found.version}"


def _next_root(workshop: Workshop) -> str:
    root = workshop.next_root()
    workshop.stage(Metadata(root))
    return f"staged root {root.version}"


def _with(workshop: Workshop, path: Path) -> str:
    signer, staged, before = keys.load(path, workshop.passphrase), workshop.staged_root(), workshop.root()
    assert staged is not None
    allowed = {*staged.signed.roles["root"].keyids, *(before.roles["root"].keyids if before else ())}
    if signer.public_key.keyid not in allowed:
        text, hint = "{file} is none of the keys of root {version}", "bring one that --root-key named"
        raise Refused("wrong_key", text, file=str(path), version=staged.signed.version, hint=hint)
    workshop.stage(rootkeys.signed(staged, [signer]))
    return f"signed root {staged.signed.version} with {path}"


def _standing(workshop: Workshop) -> list[str]:
    staged = workshop.staged_root()
    if staged is None:
        return []
    lacks = [f"{lacks} signature{'s' * (lacks != 1)} {of}".rstrip() for lacks, of in workshop.lacking(staged) if lacks]
    return [f"root {staged.signed.version} " + (f"lacks {' and '.join(lacks)}" if lacks else "has its signatures")]


def _next(workshop: Workshop) -> str:
    if workshop.missing():
        return f"beeyard repo sign {workshop.folder} --key KEY, with another of the root keys"
    return f"beeyard repo publish {workshop.folder}"
