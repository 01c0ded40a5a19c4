"""Where a master is asked: at the socket of its state folder, or at an address; and why nobody answers there.

An address is asked in the clear on this host alone: a token never goes over a network that others can read.
"""

import http.client
import ipaddress
import os
import socket
import ssl
from urllib.parse import urlsplit

from beeyard.domain.errors import BeeyardError, Denied, Invalid, Unavailable, Untrusted
from beeyard.entrypoints import place
from beeyard.launcher.paths import Paths, default_state

CONNECT = 10.0
"""Seconds for a connection to come about."""


class Where:
    """One master's whereabouts. `name` in messages; `base` is what its URLs begin with; `token` what it is told."""

    name: str
    base: str
    hint: str
    token = ""

    def connection(self) -> http.client.HTTPConnection:
        """Not connected yet."""
        raise NotImplementedError

    def absent(self, error: Exception) -> BeeyardError:
        """Why nobody could be reached, as an error of ours."""
        raise NotImplementedError

    def returns(self, error: BeeyardError, *, known: bool) -> bool:
        """Whether it is worth asking again in a moment. `known`: a master answered here before."""
        return error.code in {"master_away", "master_busy"} or (
            known and error.code in {"master_gone", "master_silent"}
        )

    def silent(self) -> Unavailable:
        """There is one, and it says nothing."""
        return Unavailable("master_silent", "{master} did not answer in time", master=self.name, hint=self.hint)

    def gone(self) -> Unavailable:
        """It was lost on the way."""
        hint = "; ".join(part for part in (self.hint, "ask again") if part)
        return Unavailable("master_gone", "{master} ended before it had answered", master=self.name, hint=hint)


class Home(Where):
    """The master of a state folder on this host."""

    base = "http://localhost"

    def __init__(self, state_dir: str | None) -> None:
        self.paths = Paths(state_dir or default_state())
        self.name = f"the master of {self.paths.state}"
        self.hint = f"see {self.paths.daemon_log}"

    def connection(self) -> http.client.HTTPConnection:
        return _SocketConnection(self.paths.master_socket)

    def absent(self, error: Exception) -> BeeyardError:
        if isinstance(error, PermissionError):
            text, hint = "{master} belongs to another user", "ask as that user, or as root"
            return Denied("not_your_master", text, master=self.name, hint=hint)
        if isinstance(error, BlockingIOError):  # As many as the system keeps for it wait to be let in already.
            return Unavailable(
                "master_busy", "{master} is asked by too many at once", master=self.name, hint="ask again"
            )
        return place.absent(self.paths)


class Address(Where):
    """A master that serves HTTP. Raises Invalid for a URL that can't be one, or that would give a token away."""

    def __init__(self, url: str, token: str | None, ca: str | None, certificate: str | None) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            host, port = "", None
        if not host or parts.scheme not in {"http", "https"} or parts.path.strip("/") or parts.query or parts.username:
            raise Invalid("url_invalid", "{url} is no address of a master", url=url, hint="https://HOST:PORT")
        self.token = os.environ.get("BEEYARD_TOKEN", "") if token is None else token
        if parts.scheme == "http" and not _loopback(host):
            text = "{url} would be asked in the clear, for everybody on the way to read"
            raise Invalid("url_unsafe", text, url=url, hint="https:// for any host but this one")
        self.base = f"{parts.scheme}://{parts.netloc}"
        self.name = f"the master at {self.base}"
        self.hint = ""
        self.tls = _tls(ca, certificate) if parts.scheme == "https" else None
        self._host, self._port = host, port or (443 if self.tls else 80)

    def connection(self) -> http.client.HTTPConnection:
        if self.tls is not None:
            return _SecureConnection(self._host, self._port, timeout=CONNECT, context=self.tls)
        return _PlainConnection(self._host, self._port, timeout=CONNECT)

    def absent(self, error: Exception) -> BeeyardError:
        if isinstance(error, ssl.SSLCertVerificationError):
            text, hint = "the certificate of {url} is not to be trusted: {reason}", "ca: the file of who signed it"
            return Untrusted("certificate_untrusted", text, url=self.base, reason=error.verify_message, hint=hint)
        text, hint = "nobody answers at {url}: {reason}", "beeyard info, asked on its host, names its address"
        return Unavailable("no_master", text, url=self.base, reason=_reason(error), hint=hint)

    def returns(self, error: BeeyardError, *, known: bool) -> bool:
        return super().returns(error, known=known) or (known and error.code == "no_master")


def where(
    state_dir: str | None, url: str | None, token: str | None, ca: str | None, certificate: str | None
) -> Home | Address:
    """One of the two. Raises Invalid."""
    if url is None:
        return Home(state_dir)
    if state_dir is not None:
        raise Invalid("usage", "a master is asked at its state folder or at its URL, not at both")
    return Address(url, token, ca, certificate)


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=CONNECT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.sock.close()
            raise


class _PlainConnection(http.client.HTTPConnection):
    """HTTP over TCP that finds out when the other side vanishes without a word."""

    def connect(self) -> None:
        super().connect()
        keep_alive(self.sock)


class _SecureConnection(http.client.HTTPSConnection):
    """The same inside TLS."""

    def connect(self) -> None:
        super().connect()
        keep_alive(self.sock)


def keep_alive(sock: socket.socket) -> None:
    """Half a minute of silence is asked about, and given up on a minute later."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 6)):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(ca: str | None, certificate: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context
