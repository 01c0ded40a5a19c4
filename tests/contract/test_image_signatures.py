"""Images that somebody signed: whose signature counts, for which image, and what is said where none does."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from beeyard.domain.errors import Invalid, Untrusted
from beeyard.domain.locked import Locked
from tests.package_benches import Oci
from tests.registries import CONFIG, MANIFEST, described, entry, layer, push

SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Oci]:
    """A registry of ours; Docker's config is somebody else's."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    made = Oci(tmp_path)
    yield made
    made.close()


def sign(bench: Oci, digest: str, *keys: EllipticCurvePrivateKey, claimed: str = "", **more: str) -> None:
    """As `cosign sign --key` does it, once for each; `more` is noted beside the signatures."""
    image = {"docker-manifest-digest": f"sha256:{claimed or digest}"}
    critical = {"identity": {"docker-reference": ""}, "image": image, "type": "cosign container image signature"}
    claim = json.dumps({"critical": critical, "optional": None}).encode()
    signatures = [base64.b64encode(key.sign(claim, ECDSA(SHA256()))).decode() for key in keys]
    notes = [{"dev.cosignproject.cosign/signature": one} | more for one in signatures]
    named = [described(claim, SIMPLE, annotations=one) for one in notes]
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described(b"{}", CONFIG), "layers": named}
    push(bench.host, "team/hello", f"sha256-{digest}.sig", MANIFEST, json.dumps(manifest).encode(), [claim, b"{}"])


def trusting(bench: Oci) -> EllipticCurvePrivateKey:
    """The bench's repository trusts what this key signed."""
    key = generate_private_key(SECP256R1())
    file = bench.home / "cosign.pub"
    file.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    bench.spec = replace(bench.spec, trust="cosign", root=str(file))
    return key


async def test_a_signed_image_is_trusted_by_its_signature(bench: Oci) -> None:
    """What is not signed beside it is not offered."""
    key, digest = trusting(bench), bench.image()
    bench.image("2.0", layer(entry("bin/run", b"evil", mode=0o755)))
    sign(bench, digest, key)
    found = await bench.pulled()
    assert (found.trust, found.manifest.version) == ("signature", "1.0")


KEYLESS = {"dev.sigstore.cosign/certificate": "-----BEGIN CERTIFICATE-----"}
WRONGLY = {
    "not at all": "nobody signed it",
    "with another key": "it was signed with another key",
    "for another image": "its signature is that of another image",
    "without a key": r"it was signed without a key \(keyless\), and only signatures with a key are looked at",
}


@pytest.mark.parametrize("how", WRONGLY)
async def test_an_image_that_is_not_rightly_signed_is_not_taken(bench: Oci, how: str) -> None:
    """And it is said which image that is, and why; the hint says how it is done rightly."""
    key, digest = trusting(bench), bench.image()
    if how == "with another key":
        sign(bench, digest, generate_private_key(SECP256R1()))
    elif how == "without a key":
        sign(bench, digest, generate_private_key(SECP256R1()), **KEYLESS)
    elif how == "for another image":
        sign(bench, digest, key, claimed="0" * 64)
    with pytest.raises(Untrusted, match=f"no version of team/hello is signed with its key: {WRONGLY[how]}$") as caught:
        await bench.offered()
    assert "--new-bundle-format=false" in caught.value.hint


async def test_a_signature_that_a_registry_moves_to_another_image_is_none(bench: Oci) -> None:
    """Whatever it does with the tag, the image's name and the signed one's digest."""
    key, digest = trusting(bench), bench.image()
    sign(bench, digest, key)
    manifests = bench.registry.manifests
    evil = bench.image("2.0", layer(entry("bin/run", b"evil", mode=0o755)))
    manifests["team/hello", f"sha256-{evil}.sig"] = manifests["team/hello", f"sha256-{digest}.sig"]
    assert [one.manifest.version for one in await bench.offered()] == ["1.0"]
    manifests["team/hello", "1.0"] = manifests["team/hello", "2.0"]
    with pytest.raises(Untrusted, match="its signature is that of another image"):
        await bench.offered()


async def test_one_right_signature_of_several_is_enough(bench: Oci) -> None:
    """Whoever else signed it does no harm."""
    key, digest = trusting(bench), bench.image()
    sign(bench, digest, generate_private_key(SECP256R1()), key)
    assert (await bench.pulled()).trust == "signature"


async def test_what_a_lock_names_has_to_be_signed_as_well(bench: Oci) -> None:
    """A registry could have kept for years what the key's owner never signed."""
    unsigned, key = bench.spec, trusting(bench)
    trusted, bench.spec = bench.spec, unsigned
    digest = bench.image()
    (first,) = await bench.offered()
    bench.image("1.0", layer(entry("bin/run", b"other", mode=0o755)))
    build = Locked("hello", "1.0", "linux-x86_64", first.digest, "main", "signature", source=first.source)
    assert await bench.made().former(trusted, build) is None
    sign(bench, digest, key)
    found = await bench.made().former(trusted, build)
    assert found is not None
    assert (found.digest, found.trust) == (first.digest, "signature")


async def test_the_signature_of_an_index_counts_for_its_images(bench: Oci) -> None:
    """`cosign sign` signs what the tag names."""
    key = trusting(bench)
    bench.publish("1.0")
    index = hashlib.sha256(bench.registry.manifests["team/hello", "1.0"][1]).hexdigest()
    sign(bench, index, key)
    assert (await bench.pulled()).trust == "signature"


async def test_a_key_that_is_none_is_told(bench: Oci) -> None:
    """Before anything is asked."""
    trusting(bench)
    Path(bench.spec.root).write_text("nothing")
    with pytest.raises(Invalid, match="is no public key in PEM"):
        await bench.offered()
    assert bench.registry.asked == []
