"""Where an engine is, found as the `docker` command finds it. Reads what is written down, and asks no engine.

The worker file comes first, then DOCKER_HOST, DOCKER_CONTEXT, the context in Docker's own config, the usual sockets.
"""

import hashlib
import json
import os
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from beeyard.domain.errors import Unavailable

START = "install Docker and start its engine, or say with DOCKER_HOST where it is"
SOCKETS = ("/run/docker.sock", "/var/run/docker.sock")
PLAIN, SECURE = 2375, 2376
"""Ports of an engine on the network."""


class Where(Struct, frozen=True, omit_defaults=True):
    """As the worker file says it: an address, the name of a context, or nothing."""

    host: str = ""
    context: str = ""

    def __str__(self) -> str:
        return self.host or self.context

    @property
    def plain(self) -> dict[str, str]:
        """To be written down."""
        found: dict[str, str] = msgspec.to_builtins(self)
        return found


USUAL = Where()
"""The one that the `docker` command would take."""


class Address(Struct, frozen=True):
    """An engine's: `unix://PATH`, `http://…`, `https://…` or `ssh://…`. `certificates`: the folder with its ca.pem, and
    our cert.pem and key.pem; `verified`: whether the engine has to show one that is signed."""

    url: str
    certificates: str = ""
    verified: bool = True

    @property
    def path(self) -> str:
        """Of its socket on this host; empty where it has none here."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else ""

    def tls(self) -> ssl.SSLContext:
        """How it is spoken to with TLS. Raises OSError where a certificate can't be read or used."""
        ca, cert, key = (Path(self.certificates, f"{name}.pem") for name in ("ca", "cert", "key"))
        made = ssl.create_default_context(cafile=str(ca) if ca.exists() else None)
        if not self.verified:
            made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
        if cert.exists():
            made.load_cert_chain(cert, key)
        return made


def find(where: Where) -> Address:
    """Raises Unavailable when nothing says where, or what does can't be read, or is no address."""
    found = _named(where)
    try:
        _ = urlsplit(found.url).port  # Looked at first, it says what is wrong with it.
    except ValueError as error:
        text, hint = "{url} is no address of an engine: {reason}", "unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST"
        raise Unavailable("engine_unknown", text, url=found.url, reason=str(error), hint=hint) from None
    return found


def _named(where: Where) -> Address:
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    if host := where.host or ("" if where.context else os.environ.get("DOCKER_HOST", "")):
        return _spoken(host, folder)
    context = where.context or os.environ.get("DOCKER_CONTEXT") or _current(folder)
    if context and context != "default":
        return _context(context, folder)
    if where.context and (host := os.environ.get("DOCKER_HOST", "")):
        return _spoken(host, folder)
    usual = [*SOCKETS, str(Path.home() / ".docker/run/docker.sock")]
    return Address(f"unix://{next((path for path in usual if Path(path).is_socket()), usual[0])}")


def answers(path: str) -> bool:
    """Whether anybody listens at this socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def _spoken(host: str, folder: Path) -> Address:
    """DOCKER_TLS_VERIFY and DOCKER_CERT_PATH count for all that is named without a context."""
    if host.startswith("tcp://") and os.environ.get("DOCKER_TLS_VERIFY"):
        return _network(host, os.environ.get("DOCKER_CERT_PATH") or str(folder))
    return _network(host) if host.startswith("tcp://") else Address(host)


def _network(host: str, certificates: str = "", verified: bool = True) -> Address:
    name = host.removeprefix("tcp://").rstrip("/")
    has_port = name.rpartition(":")[2].isdigit() and not name.endswith("]")
    scheme, port = ("https", SECURE) if certificates else ("http", PLAIN)
    return Address(f"{scheme}://{name if has_port else f'{name}:{port}'}", certificates, verified)


def _context(name: str, folder: Path) -> Address:
    """Docker keeps a context below the digest of its name."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    meta = _read(folder / "contexts/meta" / digest / "meta.json", f"there is no Docker context {name}")
    try:
        endpoint = meta["Endpoints"]["docker"]
        host, verified = str(endpoint["Host"]), not endpoint.get("SkipTLSVerify", False)
    except (KeyError, TypeError):
        raise _unknown(f"the Docker context {name} does not say where its engine is") from None
    certificates = folder / "contexts/tls" / digest / "docker"
    if not host.startswith("tcp://"):
        return Address(host)
    return _network(host, str(certificates) if certificates.is_dir() or not verified else "", verified)


def _current(folder: Path) -> str:
    path = folder / "config.json"
    return str(_read(path, "").get("currentContext") or "") if path.exists() else ""


def _read(path: Path, missing: str) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise _unknown(missing) from None
    except (OSError, ValueError) as error:
        raise _unknown(f"{path.name} of Docker's config can't be read: {error}") from None
    return found if isinstance(found, dict) else {}


def _unknown(reason: str) -> Unavailable:
    hint = "`docker context ls` lists the contexts"
    return Unavailable("engine_unknown", "{reason}", reason=reason, hint=hint)
