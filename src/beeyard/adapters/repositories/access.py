"""What a private repository wants to be shown, and how it is written: headers, and a client certificate.

Which origin may see it is for the caller to decide: the repository's own, and no other.
"""

import netrc
import os
import socket
import ssl
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from beeyard.domain.errors import Invalid
from beeyard.domain.sources import Credentials

PORTS = {"http": 80, "https": 443}


def headers(credentials: Credentials, url: str) -> dict[str, str]:
    """A token comes before name and password, and both before the netrc file. Raises Invalid."""
    if credentials.token:
        return {"Authorization": f"Bearer {credentials.token}"}
    username, password = named(credentials, url)
    if not username:
        return {}
    return {"Authorization": "Basic " + b64encode(f"{username}:{password}".encode()).decode()}


def named(credentials: Credentials, url: str) -> tuple[str, str]:
    """Name and password, of the netrc file if there are no others; empty: neither. Raises Invalid."""
    if credentials.username:
        return credentials.username, credentials.password
    return _noted(credentials.netrc, url)


def context(credentials: Credentials) -> ssl.SSLContext:
    """For TLS, with our certificate if there is one. Raises Invalid, also if that is out of date."""
    made = ssl.create_default_context()
    if credentials.certificate:
        from cryptography.x509 import load_pem_x509_certificate  # slow to load, and few show one

        try:
            made.load_cert_chain(credentials.certificate, credentials.key or None)
            ends = load_pem_x509_certificate(Path(credentials.certificate).read_bytes()).not_valid_after_utc
        except (OSError, ValueError) as error:  # also what OpenSSL makes of a file that is none
            text = "the client certificate {file} is of no use: {reason}"
            hint, file = "PEM, with its key in the same file or under `key`", credentials.certificate
            raise Invalid("certificate_unreadable", text, hint=hint, file=file, reason=words(error)) from None
        if ends < datetime.now(UTC):
            text, hint = "the client certificate {file} was good until {until} UTC", "ask whoever made it for a new one"
            until = f"{ends:%Y-%m-%d %H:%M}"
            raise Invalid("certificate_expired", text, hint=hint, file=credentials.certificate, until=until)
    return made


def words(error: Exception) -> str:
    """What the system or OpenSSL says, without numbers and places in their source."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "it speaks no TLS").replace("_", " ").lower()
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno:
        return os.strerror(error.errno)  # asyncio writes an address and its own call into the text
    return getattr(error, "strerror", None) or str(error)


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port. Raises ValueError."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)


def _noted(file: str, url: str) -> tuple[str, str]:
    """Name and password from a netrc file."""
    if not file:
        return "", ""
    try:
        found = netrc.netrc(file).authenticators(urlsplit(url).hostname or "")
    except (OSError, netrc.NetrcParseError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "msg", "")
        text, hint = "the netrc file {file} can't be read: {reason}", "look at `netrc` of the repository"
        raise Invalid("netrc_unreadable", text, hint=hint, file=file, reason=reason) from None
    return (found[0], found[2]) if found else ("", "")
