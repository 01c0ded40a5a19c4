"""Takes from this process what no namespace takes: the powers of root, and sockets. There is no way back.

Standard library only: this runs in the child.
"""

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Sequence

from beeyard.adapters.archives.confine import PR_SET_NO_NEW_PRIVS, _libc

_PR_SET_SECCOMP, _FILTER = 22, 2
_PR_CAPBSET_DROP, _PR_SET_SECUREBITS, _PR_CAP_AMBIENT, _AMBIENT_CLEAR = 24, 28, 47, 4
_NOROOT = 0b11
"""Root is nobody special when it executes something, and that can't be changed."""
_CAPABILITIES, _VERSION_3 = 64, 0x20080522

_SOCKET = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198), "riscv64": (0xC00000F3, 198)}
"""What the kernel calls this architecture, and its number of `socket`."""
_URING = 425
"""It makes sockets as well, and no filter sees those."""
_X32 = 1 << 30
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_OFFSET_NUMBER, _OFFSET_MACHINE, _OFFSET_FAMILY = 0, 4, 16
NETWORK = (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)
"""The sockets by which a network is reached, and nobody on this host by a path or a name."""


def powerless() -> None:
    """Nothing of root is left but its name, for this process and all that it will execute."""
    for number in range(_CAPABILITIES):
        _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    _libc.prctl(_PR_SET_SECUREBITS, _NOROOT, 0, 0, 0)
    _libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR, 0, 0, 0)
    _libc.capset(struct.pack("=Ii", _VERSION_3, 0), bytes(24))


def without_sockets(but: Sequence[int] = ()) -> bool:
    """No socket can be made from now on, but of these families, and pairs of connected ones. Whether that could be had.

    Programs of another architecture, as those of 32 bits, can do nothing here at all.
    """
    machine, number = _SOCKET.get(os.uname().machine, (0, 0))
    if not machine:
        return False
    refused, odd = [(_RETURN, 0, 0, _ERROR | errno.EACCES)], [(_RETURN, 0, 0, _ERROR | errno.ENOSYS)]
    families = [(_EQUAL, len(but) - at, 0, int(family)) for at, family in enumerate(but)]
    steps = [
        *((_LOAD, 0, 0, _OFFSET_MACHINE), (_EQUAL, 1, 0, machine), *odd),
        *((_LOAD, 0, 0, _OFFSET_NUMBER), (_EQUAL, 1, 0, _URING), (_AT_LEAST, 0, 1, _X32), *odd),
        *((_EQUAL, 1, 0, number), (_RETURN, 0, 0, _ALLOW)),
        *((_LOAD, 0, 0, _OFFSET_FAMILY), *families, *refused, (_RETURN, 0, 0, _ALLOW)),
    ]
    program = b"".join(struct.pack("=HBBI", code, yes, no, value) for code, yes, no, value in steps)
    steps_at = ctypes.create_string_buffer(program)
    told = struct.pack("@HP", len(steps), ctypes.addressof(steps_at))
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return bool(_libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.c_char_p(told), 0, 0) == 0)
