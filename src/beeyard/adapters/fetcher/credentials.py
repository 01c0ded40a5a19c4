"""Who may be told what: headers, passwords and certificates go to the origin they are for, and to no other.

An origin is scheme, host and port. What is told in a header beats what the URL says, and that beats the netrc file.
"""

import netrc
import os
import ssl
from pathlib import Path

from aiohttp import encode_basic_auth
from yarl import URL

from beeyard.ports.repository import Source


class Credentials:
    """Those of one source."""

    def __init__(self, source: Source) -> None:
        """Reads files. Raises OSError and ssl.SSLError when the client certificate is of no use."""
        url = URL(source.url)
        self._origin = _origin(url)
        self._headers = dict(source.headers)
        if not any(name.lower() == "authorization" for name in self._headers):
            login = (url.user or "", url.password or "") if url.user or url.password else _netrc(url.host)
            if login is not None:
                self._headers["Authorization"] = encode_basic_auth(*login)
        self._system = ssl.create_default_context()
        self._own = self._system
        if source.certificate:
            self._own = ssl.create_default_context()
            self._own.load_cert_chain(source.certificate, source.key or None)

    def headers(self, url: URL) -> dict[str, str]:
        """What may be sent there."""
        return self._headers if _origin(url) == self._origin else {}

    def tls(self, url: URL) -> ssl.SSLContext:
        """How to speak to it: the system's authorities, and our certificate for its own origin."""
        return self._own if _origin(url) == self._origin else self._system


def _origin(url: URL) -> tuple[str, str | None, int | None]:
    return url.scheme, url.host, url.port


def _netrc(host: str | None) -> tuple[str, str] | None:
    path = Path(os.environ.get("NETRC") or Path("~/.netrc").expanduser())
    try:
        found = netrc.netrc(path).authenticators(host or "")
    except (OSError, netrc.NetrcParseError):
        return None  # As everywhere: a file that is not there, or is somebody else's, has nothing to say.
    return (found[0], found[2] or "") if found else None
