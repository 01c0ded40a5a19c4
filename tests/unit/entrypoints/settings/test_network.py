"""Where the master listens, as the file says it; certificates are tried out while loading."""

import shutil
import subprocess
from pathlib import Path

import pytest

from beeyard.domain.master import ListenSpec
from tests.unit.entrypoints.settings.conftest import SHELL, Errors, Load

LOOPBACK = "beeyard.yaml:4: master.listen: found '{}', expected a loopback address, or `tls` beside it (tls: " + (
    "{{certificate: FILE, key: FILE}}; docs/operations.md shows how to make them)"
)


def master(keys: str) -> str:
    """The smallest file, with these keys of the master on line 4."""
    return f"{SHELL}master: {{{keys}}}\n"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """a.crt and a.key, b.crt and b.key, and a key with a passphrase."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in "ab":
        make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-days", "2"]
        subprocess.run([*make, "-keyout", f"{name}.key", "-out", f"{name}.crt"], cwd=folder, check=True)
    encrypt = ["openssl", "rsa", "-aes128", "-passout", "pass:secret", "-in", "a.key", "-out", "locked.key"]
    subprocess.run(encrypt, cwd=folder, check=True)
    return folder


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("none", "none"),
        ("127.0.0.1:8600", "127.0.0.1:8600"),
        ("localhost:1", "localhost:1"),
        ("LOCALHOST.:65535", "localhost:65535"),
        ("'[::1]:8600'", "[::1]:8600"),
        ("'[0:0::1]:8600'", "[::1]:8600"),
        ("127.8.8.8:99", "127.8.8.8:99"),
        ("", ""),
    ],
)
def test_loopback_needs_nothing_else(load: Load, written: str, address: str) -> None:
    """Names and addresses that no other machine reaches."""
    assert load(master(f"listen: {written}")).master.listen == ListenSpec(address)


@pytest.mark.parametrize("written", ["0.0.0.0:8600", "[::]:8600", "yard.example.org:443", "192.0.2.7:8600"])
def test_any_other_address_needs_tls(errors: Errors, written: str) -> None:
    """The error says what to write."""
    assert errors(master(f"listen: '{written}'")) == [LOOPBACK.format(written)]


@pytest.mark.parametrize(
    "written", ["8600", ":8600", "127.0.0.1", "::1:8600", "127.0.0.1:0", "127.0.0.1:65536", "a b:1", "x:٣", "[x]:1"]
)
def test_what_is_no_address(errors: Errors, written: str) -> None:
    """A port alone leaves open who may connect."""
    (error,) = errors(master(f'listen: "{written}"'))
    assert error == f"beeyard.yaml:4: master.listen: found '{written}', expected HOST:PORT, [IPV6]:PORT or none"


def test_names_for_the_master_are_names_without_a_port(load: Load, errors: Errors) -> None:
    """In small letters, as they will be compared."""
    assert load(master("hosts: [Yard.Example.org, 192.0.2.7]")).master.listen.hosts == ("yard.example.org", "192.0.2.7")
    assert errors(master("hosts: ['yard:80']")) == [
        "beeyard.yaml:4: master.hosts[0]: found 'yard:80', expected the name of a host, or an IP address, without port"
    ]


def test_a_certificate_with_its_key_opens_the_network(load: Load, certificates: Path, tmp_path: Path) -> None:
    """Paths start at the file."""
    for name in ("a.crt", "a.key", "b.crt"):
        shutil.copy(certificates / name, tmp_path)
    loaded = load(master("listen: '0.0.0.0:8600', tls: {certificate: a.crt, key: a.key, client_ca: b.crt}"))
    assert loaded.master.listen == ListenSpec(
        "0.0.0.0:8600", str(tmp_path / "a.crt"), str(tmp_path / "a.key"), str(tmp_path / "b.crt")
    )


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("certificate: a.crt, key: b.key", "key: found the key of another certificate, expected the certificate's key, "
         "without a passphrase"),
        ("certificate: a.crt, key: locked.key", "key: found a key with a passphrase, expected the certificate's key, "
         "without a passphrase"),
        ("certificate: a.crt, key: a.crt", "key: found no key in PEM form, expected the certificate's key, without a "
         "passphrase"),
        ("certificate: a.key, key: a.key", "certificate: found no certificate in PEM form, expected a file of "
         "certificates"),
        ("certificate: a.crt, key: a.key, client_ca: a.key", "client_ca: found no certificate in PEM form, expected a "
         "file of certificates"),
        ("certificate: a.crt", "key: found nothing, expected a value: it has no default"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_are_found_while_loading(
    errors: Errors, certificates: Path, tmp_path: Path, keys: str, error: str
) -> None:
    """Not by the first client."""
    for file in certificates.iterdir():
        shutil.copy(file, tmp_path)
    assert errors(master(f"tls: {{{keys}}}")) == [f"beeyard.yaml:4: master.tls.{error}"]


def test_a_missing_certificate_names_its_path(errors: Errors, tmp_path: Path) -> None:
    """Where it was looked for."""
    (tmp_path / "a.key").touch()
    assert errors(master("tls: {certificate: no.crt, key: a.key}")) == [
        "beeyard.yaml:4: master.tls.certificate: found 'no.crt', no such file, expected an existing file "
        f"({tmp_path}/no.crt)"
    ]
