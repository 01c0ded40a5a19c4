"""Certificates: read from files, checked, and taken up anew when the files change. Knows no sockets."""

import os
import ssl

from beeyard.domain.master import ListenSpec


class Unusable(Exception):
    """`field` is certificate, key or client_ca; `found` what was found there instead of one that can be used."""

    def __init__(self, field: str, found: str, file: str) -> None:
        self.field, self.found = field, found
        super().__init__(f"the {field} {file} can't be used: {found}")


def context(certificate: str, key: str, client_ca: str = "") -> ssl.SSLContext:
    """A server's TLS; with `client_ca`, only for clients with a certificate of that authority. Raises Unusable."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    _require_readable("certificate", certificate)
    _require_readable("key", key)
    # As if it were somebody else's first: a wrong certificate is told from a wrong key by that.
    _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "certificate", certificate)
    try:
        made.load_cert_chain(certificate, key, password=_no_passphrase)
    except _Passphrase:
        raise Unusable("key", "a key with a passphrase", key) from None
    except ssl.SSLError as error:
        mismatch = error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
        raise Unusable("key", "the key of another certificate" if mismatch else "no key in PEM form", key) from None
    if client_ca:
        _require_readable("client_ca", client_ca)
        _trust(made, "client_ca", client_ca)
        made.verify_mode = ssl.CERT_REQUIRED
    return made


class Certificates:
    """The TLS of one listener, as its files are now. `trouble` says why newer ones are not in use."""

    def __init__(self, spec: ListenSpec) -> None:
        """Raises Unusable."""
        self._files = (spec.certificate, spec.key, spec.client_ca)
        self._seen = self._stamps()
        self.context = context(*self._files)
        self.trouble = ""

    def renew(self) -> bool:
        """Take up files that changed, and say whether they were. What does not fit together leaves all as it was."""
        stamps = self._stamps()
        if stamps == self._seen:
            self.trouble = ""
            return False
        try:
            self.context = context(*self._files)
        except Unusable as error:
            self.trouble = str(error)  # Often the second of two files is only just being written.
            return False
        self._seen, self.trouble = stamps, ""
        return True

    def _stamps(self) -> list[tuple[int, ...]]:
        return [_stamp(path) for path in self._files if path]


class _Passphrase(Exception):
    """Nobody is there to type it."""


def _no_passphrase() -> str:
    raise _Passphrase


def _require_readable(field: str, path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except (OSError, ValueError) as error:
        raise Unusable(field, (getattr(error, "strerror", "") or str(error)).lower(), path) from None


def _trust(context: ssl.SSLContext, field: str, path: str) -> None:
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        raise Unusable(field, "no certificate in PEM form", path) from None


def _stamp(path: str) -> tuple[int, ...]:
    try:
        seen = os.stat(path)
    except (OSError, ValueError):
        return ()
    return (seen.st_mtime_ns, seen.st_size, seen.st_ino)
