"""Takes away from this process what it does not need to unpack an archive, or to make a package. There is no way back.

Standard library only: this runs in the child.
"""

import ctypes
import os
import resource
import signal
import stat
import struct
from collections.abc import Sequence

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same numbers on every architecture."""
_VERSION, _PATH_BENEATH = 1, 1
_WRITE_FILE, _READ_DIR, _MAKE_DIR, _MAKE_REG, _MAKE_SYM = 1 << 1, 1 << 3, 1 << 7, 1 << 8, 1 << 12
_EXECUTE, _READ_FILE, _TRUNCATE = 1 << 0, 1 << 2, 1 << 14
_HANDLED = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Version of landlock -> how many rights on files it knows; all newer ones know as many as the last."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def die_with(parent: int, by: int = signal.SIGKILL) -> None:
    """No orphan goes on writing where another one may sweep by then."""
    _libc.prctl(PR_SET_PDEATHSIG, by, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def limit(memory: int, seconds: int, largest: int, *, files: int = 0, processes: int = 0) -> None:
    """Bytes of memory, seconds of computing, bytes of any one file; and no core dump.

    With `files`, so many open at once, it is about to run others' programs: of their memory counts what they may fill,
    for some reserve more address space than there is memory. `processes` counts all of this user, unless that is root.
    """
    for kind, soft, hard in (
        (resource.RLIMIT_DATA if files else resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_CPU, seconds, seconds + 1),  # at the soft one it ends by SIGXCPU, at the hard one by SIGKILL
        (resource.RLIMIT_FSIZE, largest, largest),
        (resource.RLIMIT_CORE, 0, 0),
        *([(resource.RLIMIT_NOFILE, files, files)] if files else []),
        *([(resource.RLIMIT_NPROC, processes, processes)] if processes else []),
    ):
        _, most = resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(kind, (soft, hard))


def fence(folder: int | None, tools: Sequence[int] = (), sinks: Sequence[int] = ()) -> int:
    """Only files below this folder can be made or written, none be read; no network, no signals to others.

    With `tools`, files and folders whose files can be read and run, everything may be done below `folder`, files among
    `sinks` be written, and the network is as it was. What is open already stays usable. The version of landlock that
    holds us; 0 where the kernel has none.
    """
    version = int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION)))
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if version < 1:
        return 0
    handled = (1 << _HANDLED[min(version, max(_HANDLED))]) - 1
    fields = [handled, *([0 if tools else 0b11] if version >= 4 else []), *([0b11] if version >= 6 else [])]
    rules = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = int(_libc.syscall(_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), ctypes.c_uint32(0)))
    below = handled if tools else _WRITE_FILE | _READ_DIR | _MAKE_DIR | _MAKE_REG | _MAKE_SYM
    allowed = [(tool, _EXECUTE | _READ_FILE | (_READ_DIR if _isfolder(tool) else 0)) for tool in tools]
    allowed += [(sink, (_READ_FILE | _WRITE_FILE | _TRUNCATE) & handled) for sink in sinks]
    allowed += [] if folder is None else [(folder, below)]
    try:
        if (
            ruleset < 0
            or any(
                _libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, file), ctypes.c_uint32(0))
                for file, rights in allowed
            )
            or _libc.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0))
        ):
            return 0
    finally:
        if ruleset >= 0:
            os.close(ruleset)
    return version


def _isfolder(file: int) -> bool:
    return stat.S_ISDIR(os.fstat(file).st_mode)
