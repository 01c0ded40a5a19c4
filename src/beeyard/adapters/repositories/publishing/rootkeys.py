"""The keys of the root: whose signatures count, and how many of them it takes. Whether a root has enough of them is for
the workshop to say.
"""

from collections.abc import Sequence
from pathlib import Path

from tuf.api.metadata import Metadata, Root

from beeyard.adapters.repositories.publishing import keys
from beeyard.adapters.repositories.publishing.keys import CryptoSigner, SSlibKey
from beeyard.domain.errors import Invalid


def check(threshold: int, count: int) -> None:
    """Before any key is made. Raises Invalid if so many of so many keys can't sign."""
    if not 1 <= threshold <= count:
        text, hint = "{threshold} of {count} keys can't sign a root", "from 1 to the number of --root-key"
        raise Invalid("threshold", text, threshold=threshold, count=count, hint=hint)


def give(root: Root, files: Sequence[Path], threshold: int, passphrase: str) -> tuple[list[CryptoSigner], list[str]]:
    """Let these keys sign the root, and no others; those of them that can sign here, and what was done.

    One that ends in .pub is somebody else's; one that is missing is made.
    """
    check(threshold, len(files))
    did, signers, named = [], [], []
    for file in files:
        key, signer, sentence = _key(file, passphrase)
        named.append(key)
        did.append(sentence)
        signers += [signer] if signer else []
    if len({key.keyid for key in named}) != len(files):
        raise Invalid("threshold", "the same root key is named twice", hint="each --root-key is another key")
    for keyid in list(root.roles["root"].keyids):
        root.revoke_key(keyid, "root")
    for key in named:
        root.add_key(key, "root")
    root.roles["root"].threshold = threshold
    return signers, did


def signed(root: Metadata[Root], signers: Sequence[CryptoSigner]) -> Metadata[Root]:
    """With these signatures beside those it has."""
    for signer in signers:
        root.sign(signer, append=True)
    return root


def _key(path: Path, passphrase: str) -> tuple[SSlibKey, CryptoSigner | None, str]:
    if path.suffix == keys.PUB:
        return keys.public(path), None, f"the root key {path} is somebody else's"
    if path.exists():
        signer = keys.load(path, passphrase)
        return signer.public_key, signer, f"took the root key {path}"
    signer = keys.create(path, passphrase)
    return signer.public_key, signer, f"made the root key {path}: keep it offline"
