"""Other keys instead of those that were lost or taken. Who has to sign for that, metadata says; it is not decided here.

What is changed in a root is staged, and needs all its signatures anew; an origin or a channel changes at once.
"""

from collections.abc import Sequence
from pathlib import Path

from tuf.api.metadata import TOP_LEVEL_ROLE_NAMES, Metadata, Targets

from beeyard.adapters.repositories.publishing import keys, rootkeys
from beeyard.adapters.repositories.publishing.keys import SSlibKey
from beeyard.adapters.repositories.publishing.workshop import Workshop
from beeyard.domain.errors import NotFound, Refused


def of_root(workshop: Workshop, files: Sequence[Path], threshold: int | None) -> list[str]:
    """These keys for the root, and no others. What was done."""
    root = workshop.next_root()
    before, threshold = set(root.roles["root"].keyids), root.roles["root"].threshold if threshold is None else threshold
    signers, did = rootkeys.give(root, files, threshold, workshop.passphrase)
    workshop.stage(rootkeys.signed(Metadata(root), signers))
    did.append(f"root {root.version} has {len(files)} key{'s' * (len(files) != 1)}, of which {threshold} must sign")
    dropped = len(before - set(root.roles["root"].keyids))
    return [*did, f"root {root.version} drops {dropped} of the keys before"] if dropped else did


def of_online(workshop: Workshop, role: str) -> str:
    """A new key for targets, snapshot or timestamp, from the next root on."""
    root = workshop.next_root()
    key = _replaced(workshop, role)
    for keyid in list(root.roles[role].keyids):
        root.revoke_key(keyid, role)
    root.add_key(key, role)
    workshop.stage(Metadata(root))
    return f"gave {role} a new key, in root {root.version}"


def require(workshop: Workshop, roles: Sequence[str]) -> None:
    """Raises NotFound for what is no role here, Refused where a variable holds the key: it would go on to hold it."""
    known = {*TOP_LEVEL_ROLE_NAMES, *workshop.delegated()}
    for role in roles:
        if role not in known:
            text, hint = "{role} has no key to rotate", "root, targets, snapshot, timestamp, an origin or channel-NAME"
            raise NotFound("no_such_role", text, role=role, hint=hint)
        if workshop.is_given(role):
            text, hint = "{variable} holds the key of {role}", "bring its file, unset the variable, then rotate"
            raise Refused("key_in_variable", text, variable=f"${keys.variable(role)}", role=role, hint=hint)


def of_delegated(workshop: Workshop, role: str) -> str:
    """A new key for an origin or a channel."""
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
