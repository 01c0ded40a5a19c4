"""Certificates from files: which are refused, and how new ones are taken up."""

import ssl
from pathlib import Path

import pytest

from beeyard.domain.master import ListenSpec
from beeyard.entrypoints.http.tls import Certificates, Unusable, context
from tests.end_to_end.calls import certificate


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """a.crt and a.key, b.crt and b.key."""
    folder = tmp_path_factory.mktemp("pairs")
    for name in "ab":
        certificate(folder, name)
    return folder


def test_nothing_older_than_tls_1_2_is_spoken(pairs: Path) -> None:
    """And a client needs a certificate only where somebody is named who signs them."""
    without = context(str(pairs / "a.crt"), str(pairs / "a.key"))
    mutual = context(str(pairs / "a.crt"), str(pairs / "a.key"), str(pairs / "b.crt"))
    assert without.minimum_version == mutual.minimum_version == ssl.TLSVersion.TLSv1_2
    assert (without.verify_mode, mutual.verify_mode) == (ssl.CERT_NONE, ssl.CERT_REQUIRED)


@pytest.mark.parametrize(
    ("certificate", "key", "field", "found"),
    [
        ("a.crt", "b.key", "key", "the key of another certificate"),
        ("a.crt", "a.crt", "key", "no key in PEM form"),
        ("a.key", "a.key", "certificate", "no certificate in PEM form"),
        ("no.crt", "a.key", "certificate", "no such file or directory"),
        (".", "a.key", "certificate", "is a directory"),
        ("a\0.crt", "a.key", "certificate", "embedded null byte"),
    ],
)
def test_what_can_not_be_used_is_named(pairs: Path, certificate: str, key: str, field: str, found: str) -> None:
    """File by file."""
    with pytest.raises(Unusable) as raised:
        context(str(pairs / certificate), str(pairs / key))
    assert (raised.value.field, raised.value.found) == (field, found)


def test_new_files_are_taken_up_once_they_fit(pairs: Path, tmp_path: Path) -> None:
    """Half a renewal leaves the old certificate, and says so until the other half comes, or the first is taken back."""
    crt, key = tmp_path / "yard.crt", tmp_path / "yard.key"

    def put(name: str, *paths: Path) -> None:
        for path in paths:
            new = path.with_suffix(".new")
            new.write_bytes((pairs / f"{name}{path.suffix}").read_bytes())
            new.rename(path)

    put("a", crt, key)
    certificates = Certificates(ListenSpec(certificate=str(crt), key=str(key)))
    first = certificates.context
    assert not certificates.renew()
    put("b", crt)
    assert not certificates.renew()
    assert certificates.trouble == f"the key {key} can't be used: the key of another certificate"
    assert certificates.context is first
    put("a", crt)
    assert certificates.renew()
    assert certificates.trouble == ""
    put("b", crt, key)
    assert certificates.renew()
    assert certificates.context is not first
    assert not certificates.renew()
