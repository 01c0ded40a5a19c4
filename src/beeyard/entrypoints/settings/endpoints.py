"""`endpoints:` of a worker: where it is reached, and whether Beeyard listens there and passes the socket on."""

from collections.abc import Mapping

from beeyard.domain.spec import Endpoint, Listen
from beeyard.entrypoints.settings import shape, tree
from beeyard.entrypoints.settings.decode import struct
from beeyard.entrypoints.settings.tree import Node, empty
from beeyard.entrypoints.settings.words import Context, boolean


def endpoints(written: Mapping[str, shape.Endpoint], context: Context) -> dict[str, Endpoint]:
    """Each by its name."""
    return {
        name: Endpoint(one.protocol, one.port, one.host, one.path, _listen(one.listen, context))
        for name, one in written.items()
    }


def no_fixed_ports(node: tree.Mapping, found: Mapping[str, Endpoint], context: Context) -> None:
    """Of several instances only one could open a port that the file fixes."""
    written = node.entries["endpoints"] if found else None
    for name, endpoint in found.items():
        if endpoint.port and endpoint.listen is None and isinstance(written, tree.Mapping):
            place = written.entries[name]
            if isinstance(place, tree.Mapping):
                expected = "`auto`: all instances would open the same port"
                context.report.wrong(place.entries["port"], expected, "with `listen: true` they share one socket")


def _listen(node: Node | None, context: Context) -> Listen | None:
    """`true`, `false`, or a mapping."""
    if node is None or empty(node):
        return None
    if not isinstance(node, tree.Mapping):
        return Listen() if boolean(node, context) is True else None
    at = struct(node, shape.ListenAt, context)
    if at is None or at.unix:
        return None if at is None else Listen(at.unix, at.mode, at.user, at.group)
    context.report.missing(node, "unix", "a path; `listen: true` listens at host and port")
    return None
