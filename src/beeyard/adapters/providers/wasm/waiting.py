"""How a command waits, in a way that its end cuts short: the host's `poll_oneoff` in the place of the runtime's own.

The runtime's can't be interrupted. Numbers and layouts are those of WASI preview 1. Nothing here may raise: an error in
one thread would be told to another one.
"""

import struct
import threading
import time

import wasmtime

_MODULE = "wasi_snapshot_preview1"
_SUBSCRIPTION, _EVENT = 48, 32
_CLOCK, _REALTIME, _MONOTONIC, _ABSOLUTE = 0, 0, 1, 1
_HANGUP = 1
_WELL, _FAULT, _INVALID, _UNSUPPORTED = 0, 21, 28, 58
LONGEST = 3600.0
"""Seconds of one wait; who waits for longer is woken early, and waits again."""


class Waiting:
    """Of one command, whose monotonic clock began with this."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._began = time.monotonic_ns()

    def end(self) -> None:
        """From now on it waits for nothing."""
        self._over.set()

    def define(self, linker: wasmtime.Linker) -> None:
        """Take the runtime's place in a linker that has its definitions."""
        number = wasmtime.ValType.i32()
        linker.allow_shadowing = True
        linker.define_func(
            _MODULE,
            "poll_oneoff",
            wasmtime.FuncType([number] * 4, [wasmtime.ValType.i32()]),
            self._poll,
            access_caller=True,
        )

    def _poll(self, caller: wasmtime.Caller, at: int, events: int, count: int, told: int) -> int:
        """What it waits for is read from `at`; what happened is written to `events`, and how much of it to `told`."""
        at, events, count, told = (number & 0xFFFF_FFFF for number in (at, events, count, told))
        memory = caller.get("memory")
        if not isinstance(memory, wasmtime.Memory) or not count:
            return _INVALID
        size = memory.data_len(caller)
        if at + count * _SUBSCRIPTION > size or events + count * _EVENT > size or told + 4 > size:
            return _FAULT
        raw = memory.read(caller, at, at + count * _SUBSCRIPTION)
        happened, clocks = [], []
        for offset in range(0, len(raw), _SUBSCRIPTION):
            userdata, kind = struct.unpack_from("<QB", raw, offset)
            if kind == _CLOCK:
                left = self._left(*struct.unpack_from("<I4xQ8xH", raw, offset + 16))
                if left is None:
                    return _UNSUPPORTED
                clocks.append((left, userdata))
            else:  # Files are always ready; of standard input there is none.
                (file,) = struct.unpack_from("<I", raw, offset + 16)
                happened.append(struct.pack("<QHB5xQH6x", userdata, 0, kind, 0, 0 if file else _HANGUP))
        soonest = 0 if happened else min(left for left, _ in clocks)
        self._over.wait(min(max(soonest, 0) / 1e9, LONGEST))
        happened += [struct.pack("<QHB21x", userdata, 0, _CLOCK) for left, userdata in clocks if left <= soonest]
        memory.write(caller, b"".join(happened), events)
        memory.write(caller, struct.pack("<I", len(happened)), told)
        return _WELL

    def _left(self, clock: int, until: int, flags: int) -> int | None:
        """Nanoseconds; None for a clock that can't be waited for."""
        if clock not in (_REALTIME, _MONOTONIC):
            return None
        if not flags & _ABSOLUTE:
            return until
        return until - (time.time_ns() if clock == _REALTIME else time.monotonic_ns() - self._began)
