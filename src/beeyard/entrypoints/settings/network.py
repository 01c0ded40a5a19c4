"""`listen`, `tls`, `hosts` and `advertise` of the master: where it is reached, and what that takes."""

from beeyard.domain.address import address, is_loopback
from beeyard.domain.master import ListenSpec
from beeyard.entrypoints.settings.decode import struct
from beeyard.entrypoints.settings.shape import Master, Tls
from beeyard.entrypoints.settings.tree import Mapping, Node, empty
from beeyard.entrypoints.settings.words import FAILED, Context, parsed

_CERTIFICATE = "tls: {certificate: FILE, key: FILE}; docs/operations.md shows how to make them"


def listen(master: Master, context: Context) -> ListenSpec:
    """Where the master listens; anywhere but on loopback that takes a certificate."""
    where = ""
    if master.listen and not empty(master.listen):
        where = _address(master.listen, context)
        if where not in (FAILED, "none") and not is_loopback(address(where).host) and empty(master.tls):
            context.report.wrong(master.listen, "a loopback address, or `tls` beside it", _CERTIFICATE)
    advertised = ""
    if master.advertise and not empty(master.advertise):
        advertised = _advertised(master.advertise, context)
    if where is FAILED or advertised is FAILED:
        return ListenSpec("localhost:1")  # That was reported: nobody else has to complain of it.
    tls = None if master.tls is None or empty(master.tls) else _tls(master.tls, context)
    if tls is None:
        return ListenSpec(where, hosts=master.hosts, advertise=advertised)
    return ListenSpec(where, tls.certificate, tls.key, tls.client_ca, master.hosts, advertised)


def _tls(node: Node, context: Context) -> Tls | None:
    """The files, tried out: what does not fit together is found here and not by the first who calls."""
    tls = struct(node, Tls, context)
    if tls is None or not isinstance(node, Mapping):
        return None
    from beeyard.entrypoints.http.tls import Unusable  # OpenSSL takes 10 ms to load.
    from beeyard.entrypoints.http.tls import context as made

    try:
        made(tls.certificate, tls.key, tls.client_ca)
    except Unusable as error:
        expected = "a file of certificates" if error.field != "key" else "the certificate's key, without a passphrase"
        context.report.add(node.entries[error.field], error.found, expected)
    return tls


def _written(text: str) -> str:
    return text if text == "none" else str(address(text))


_advertised = parsed(lambda text: str(address(text)), "HOST:PORT or [IPV6]:PORT")
_address = parsed(_written, "HOST:PORT, [IPV6]:PORT or none")
