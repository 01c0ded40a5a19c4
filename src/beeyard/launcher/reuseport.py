"""What the kernel does with sockets that listen at one port, each with SO_REUSEPORT: whom a new connection goes to.

A classic BPF program answers with an index into the kernel's list of them (net/core/sock_reuseport.c). Who begins to
listen is put at its end; when one goes, the last takes its place. Knows nothing of who serves, nor why one is chosen.
"""

import ctypes
import itertools
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress

Instruction = tuple[int, int, int, int]
"""Of classic BPF: code, how far to jump if true and if false, and a value (linux/filter.h)."""

_ATTACH_FILTER, _DETACH_FILTER, _ATTACH_PROGRAM, _MEMINFO = 26, 27, 51, 55
_DROPS = 8
"""Where SO_MEMINFO has the number of packets that a socket refused."""
_UNACKED = 24
"""Where TCP_INFO has, of a socket that listens, how many wait to be accepted."""
_MOST = 4096
"""Instructions that a program may have."""

_RANDOM = (0x20, 0, 0, 0xFFFFF000 + 56)
_LOAD_SOURCE_PORT = (0x28, 0, 0, 0)
_REFUSE, _PASS = (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF)


def program(targets: Sequence[int]) -> list[Instruction]:
    """Leads each new connection to one of these indexes, by chance."""
    targets = targets[: _MOST // 2 - 1]
    *others, last = targets
    draw = [_RANDOM, (0x94, 0, 0, len(targets))] if others else []
    tests = ([(0x15, 0, 1, number), (0x06, 0, 0, index)] for number, index in enumerate(others))
    return [*draw, *itertools.chain.from_iterable(tests), (0x06, 0, 0, last)]


def possible() -> bool:
    """Whether this kernel takes such programs from us."""
    with socket.socket() as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            lead(sock, [0])
        except OSError:
            return False
    return True


def lead(sock: socket.socket, targets: Sequence[int]) -> None:
    """From now on, new connections at its port go to these. Raises OSError."""
    _attach(sock, _ATTACH_PROGRAM, program(targets))


def waiting(sock: socket.socket) -> int:
    """How many connections it has that nobody accepted."""
    with suppress(OSError):
        return int(struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64), _UNACKED)[0])
    return 0


def order(socks: Sequence[socket.socket]) -> list[socket.socket | None]:
    """These, as the kernel has them, None where it has one that is not among them. Raises OSError.

    It does not tell, so it is tried: each index is asked for once by a packet of ours, that all of these refuse, and
    the kernel counts who did. No process hears of it; another's connections go by these indexes meanwhile.
    """
    found: list[socket.socket | None] = []
    left = set(socks)
    with _client(socks[0]) as reserve:
        port = reserve.getsockname()[1]
        refusing = [_LOAD_SOURCE_PORT, (0x15, 0, 1, port), _REFUSE, _PASS]
        try:
            for sock in socks:
                _attach(sock, _ATTACH_FILTER, refusing)
            while left:
                if len(found) >= _MOST:
                    raise OSError("the kernel's list of them can't be found out")
                lead(socks[0], [len(found)])
                before = {sock: _drops(sock) for sock in left}
                with _client(socks[0], port) as client:
                    client.connect_ex(_near(socks[0]))
                hit = next((sock for sock, count in before.items() if _drops(sock) != count), None)
                found.append(hit)
                left.discard(hit) if hit is not None else None
        finally:
            for sock in socks:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, 0)
    return found


def _client(sock: socket.socket, port: int = 0) -> socket.socket:
    """One that connects from this port, waits for nothing, and leaves nothing behind."""
    client = socket.socket(sock.family)
    client.setblocking(False)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.bind((_near(sock)[0], port))
    return client


def _near(sock: socket.socket) -> tuple[str, int]:
    """Where this host reaches it."""
    host, port = sock.getsockname()[:2]
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port


def _drops(sock: socket.socket) -> int:
    return int(struct.unpack_from("I", sock.getsockopt(socket.SOL_SOCKET, _MEMINFO, 64), 4 * _DROPS)[0])


def _attach(sock: socket.socket, option: int, instructions: Sequence[Instruction]) -> None:
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in instructions))
    fprog = struct.pack("@HP", len(instructions), ctypes.addressof(code))
    sock.setsockopt(socket.SOL_SOCKET, option, fprog)
