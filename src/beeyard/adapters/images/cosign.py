"""Whether somebody who has a certain key signed an image, as `cosign sign --key` does it. Asks no log, trusts no name.

A signature lies in the registry beside the image, under the tag `sha256-DIGEST.sig`: a manifest whose blobs name the
digest that was signed, each with a signature of that blob. Signatures without a key of one's own ("keyless") are not
looked at: they say who signed only to those who trust a public authority and its log.
"""

import base64
import binascii
from pathlib import Path

from msgspec import Struct

from beeyard.adapters.images.registry import Registry
from beeyard.adapters.images.shapes import ImageManifest, read, wrong
from beeyard.domain.errors import Invalid, Untrusted

SIGNATURE = "dev.cosignproject.cosign/signature"
SIGNED = "application/vnd.dev.cosign.simplesigning.v1+json"
CERTIFICATE = "dev.sigstore.cosign/certificate"
"""Stands beside a signature that was made without a key."""
_MOST = 64 * 1024


class _Image(Struct, rename="kebab"):
    docker_manifest_digest: str


class _Critical(Struct):
    image: _Image
    type: str


class _Claim(Struct):
    critical: _Critical


class Key:
    """A public key, of a PEM file."""

    def __init__(self, repository: str, file: str) -> None:
        """Raises Invalid: `image_key`, when it can't be read, or is of a kind that nobody signs images with."""
        # Slow to load, and only who checks signatures needs it.
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        try:
            with open(Path(file), "rb") as opened:
                key = load_pem_public_key(opened.read(_MOST))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no public key in PEM"
            raise _useless(repository, file, reason or "") from None
        if not isinstance(key, EllipticCurvePublicKey | Ed25519PublicKey):
            raise _useless(repository, file, "it is neither ECDSA nor Ed25519")
        self._key = key

    def signed(self, data: bytes, signature: bytes) -> bool:
        """Whether its owner signed this."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            if isinstance(self._key, EllipticCurvePublicKey):
                self._key.verify(signature, data, ECDSA(SHA256()))
            else:
                self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


async def doubt(registry: Registry, image: str, sha256: str, key: Key) -> str:
    """Why the key's owner is not known to have signed this manifest or index; empty: it is known.

    Raises Unavailable, Rejected, Untrusted.
    """
    tag = f"sha256-{sha256}.sig"
    said = await registry.manifest(image, tag)
    if said is None:
        return "nobody signed it"
    doubts = ["nobody signed it"]
    for blob in read(said.data, ImageManifest, registry.name, f"{image}:{tag}").layers:
        written = blob.annotations or {}
        if blob.media_type != SIGNED or not (signature := _decoded(written.get(SIGNATURE, ""))):
            continue
        if blob.size > _MOST:
            raise wrong(registry.name, f"{image}:{tag}", "is too long for a signature")
        data = await registry.blob(image, blob)
        if not key.signed(data, signature):
            keyless = "it was signed without a key (keyless), and only signatures with a key are looked at"
            doubts.append(keyless if written.get(CERTIFICATE) else "it was signed with another key")
        elif not _names(data, sha256):
            doubts.append("its signature is that of another image")
        else:
            return ""
    return doubts[-1]


def unsigned(repository: str, image: str, reason: str) -> Untrusted:
    """There is an image, and nobody whom we trust signed it."""
    text = "{repository}: no version of {image} is signed with its key: {reason}"
    hint = "`cosign sign --key` does it; version 3 of it with `--new-bundle-format=false --use-signing-config=false`"
    return Untrusted("image_unsigned", text, hint=hint, repository=repository, image=image, reason=reason)


def _names(data: bytes, sha256: str) -> bool:
    """Whether what was signed is this image, and a signature for an image at all."""
    try:
        claim = read(data, _Claim, "", "")
    except Untrusted:
        return False
    critical = claim.critical
    return critical.type == "cosign container image signature" and (
        critical.image.docker_manifest_digest == f"sha256:{sha256}"
    )


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _useless(repository: str, file: str, reason: str) -> Invalid:
    text, hint = "{repository}: the key {file} is of no use: {reason}", "the cosign.pub of whoever signs there"
    return Invalid("image_key", text, hint=hint, repository=repository, file=file, reason=reason)
