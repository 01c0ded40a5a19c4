"""Takes away from this process what it does not need to unpack an archive. There is no way back.

Standard library only: this runs in the child.
"""

import ctypes
import os
import resource
import signal
import struct

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same numbers on every architecture."""
_VERSION, _PATH_BENEATH = 1, 1
_WRITE_FILE, _READ_DIR, _MAKE_DIR, _MAKE_REG, _MAKE_SYM = 1 << 1, 1 << 3, 1 << 7, 1 << 8, 1 << 12
_HANDLED = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Version of landlock -> how many rights on files it knows; all newer ones know as many as the last."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def die_with(parent: int) -> None:
    """No orphan goes on writing where another one may sweep by then."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def limit(memory: int, seconds: int, largest: int) -> None:
    """Bytes of memory, seconds of computing, bytes of any one file; and no core dump."""
    for kind, soft, hard in (
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_CPU, seconds, seconds + 1),  # at the soft one it ends by SIGXCPU, at the hard one by SIGKILL
        (resource.RLIMIT_FSIZE, largest, largest),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        _, most = resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(kind, (soft, hard))


def fence(folder: int | None) -> int:
    """Only files below this folder can be made or written, none be read; no network, no signals to others.

    What is open already stays usable. The version of landlock that holds us; 0 where the kernel has none.
    """
    version = int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION)))
    if version < 1:
        return 0
    handled = (1 << _HANDLED[min(version, max(_HANDLED))]) - 1
    fields = [handled, *([0b11] if version >= 4 else []), *([0b11] if version >= 6 else [])]
    rules = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = int(_libc.syscall(_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), ctypes.c_uint32(0)))
    below = _WRITE_FILE | _READ_DIR | _MAKE_DIR | _MAKE_REG | _MAKE_SYM
    rule = b"" if folder is None else struct.pack("=Qi", below, folder)
    try:
        if (
            ruleset < 0
            or _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            or (rule and _libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, ctypes.c_uint32(0)))
            or _libc.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0))
        ):
            return 0
    finally:
        if ruleset >= 0:
            os.close(ruleset)
    return version
