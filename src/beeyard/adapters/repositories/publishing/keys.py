"""Key files: Ed25519, PEM, readable by their owner only, encrypted where there is a passphrase. The public half lies
beside the private one as NAME.pub, and may go anywhere.
"""

import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.signer import CryptoSigner as CryptoSigner
from securesystemslib.signer import SSlibKey as SSlibKey

from beeyard.adapters.repositories.publishing import files
from beeyard.domain.errors import Denied, Invalid, NotFound, Refused

KEY, PUB = ".key", ".pub"
PASSPHRASE = "BEEYARD_REPO_PASSPHRASE"
"""The variable that holds it."""
GIVEN = "BEEYARD_REPO_KEY_"
"""How the variables begin that may hold keys."""


def create(path: Path, passphrase: str = "") -> CryptoSigner:
    """A new key in a new file. Raises Refused where there is one."""
    if path.exists():
        raise Refused("key_exists", "{file} is there already", file=str(path), hint="a key is never overwritten")
    key = Ed25519PrivateKey.generate()
    locked: KeySerializationEncryption = NoEncryption()
    if passphrase:
        locked = BestAvailableEncryption(passphrase.encode())
    with files.told(path.parent):
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
    files.write(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked), files.PRIVATE)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    files.write(path.with_suffix(PUB), public)
    return CryptoSigner(key)


def load(path: Path, passphrase: str = "") -> CryptoSigner:
    """Raises NotFound, Refused if others may read it, Denied without the right passphrase, Invalid if it is no key."""
    data = _content(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise Refused("key_exposed", "{file} can be read by others", file=str(path), hint=f"chmod 600 {path}")
    return read(data, str(path), passphrase)


def variable(role: str) -> str:
    """The variable that may hold the key of a role, instead of a file: as a pipeline keeps its secrets."""
    return f"{GIVEN}{role.upper().replace('-', '_')}"


def read(data: bytes, where: str, passphrase: str = "") -> CryptoSigner:
    """What a key file holds. Raises Denied without the right passphrase, Invalid if it is no key."""
    try:
        key = load_pem_private_key(data, passphrase.encode() if b"ENCRYPTED" in data and passphrase else None)
    except TypeError:
        raise Denied("key_locked", "{file} has a passphrase", file=where, hint=f"put it into {PASSPHRASE}") from None
    except (ValueError, UnsupportedAlgorithm):
        if b"ENCRYPTED" in data:
            text, hint = "{file} has another passphrase", f"look at {PASSPHRASE}"
            raise Denied("key_locked", text, file=where, hint=hint) from None
        raise _no_key(where) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(where)
    return CryptoSigner(key)


def public(path: Path) -> SSlibKey:
    """The public half of a key. Raises NotFound, Invalid."""
    try:
        key = load_pem_public_key(_content(path))
    except (ValueError, UnsupportedAlgorithm):
        raise _no_key(str(path)) from None
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(str(path))
    return SSlibKey.from_crypto(key)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        text, hint = "the key {file} can't be read: {reason}", "bring it here, or name the folder: --keys"
        raise NotFound("no_such_key", text, hint=hint, file=str(path), reason=error.strerror) from None


def _no_key(where: str) -> Invalid:
    return Invalid("key_unreadable", "{file} holds no Ed25519 key", file=where, hint="PEM, as `repo init` makes it")
