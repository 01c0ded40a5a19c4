"""WebAssembly as machine code, made once for all who run it while its file is unchanged.

The code is in a file in memory, which each attempt maps: a hundred attempts share its pages. Each has an engine of its
own all the same, because the interruption of an engine ends all that runs on it.
"""

import contextlib
import os
import threading

import wasmtime
from msgspec import Struct
from wasmtime import component

from beeyard.adapters.providers.wasm.words import reason
from beeyard.sdk.words import Unfit

KEPT = 32
"""Files whose code is kept, the last ones used."""

_MAGIC = b"\0asm"
_CORE = _MAGIC + b"\1\0\0\0"
Program = wasmtime.Module | component.Component


class _Code(Struct):
    """Of one file. `stamp`: the file as it was then."""

    lock: threading.Lock
    stamp: tuple[int, int, int] | None = None
    file: int = -1
    core: bool = True


class Compiled:
    """Asked by the threads of attempts, several at a time."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, bool], _Code] = {}
        self._changing = threading.Lock()

    def program(self, path: str, fuel: bool) -> tuple[wasmtime.Engine, Program]:
        """What runs the file, ready to be linked, counting its steps or not. One who asks first takes its time.

        Raises Unfit for a file that can't be had, or is none.
        """
        code = self._code(path, fuel)
        with code.lock:
            try:
                status = os.stat(path)
                stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
                if stamp != code.stamp:
                    _compile(code, path, fuel)
                    code.stamp = stamp
                engine, kept = _engine(fuel), f"/proc/self/fd/{code.file}"
                if code.core:
                    return engine, wasmtime.Module.deserialize_file(engine, kept)
                return engine, component.Component.deserialize_file(engine, kept)
            except OSError as error:
                raise Unfit(f"{path}: {error.strerror}") from None
            except wasmtime.WasmtimeError as error:
                raise Unfit(f"{path} is no WebAssembly that can be run: {reason(error)}") from None
            finally:
                if self._codes.get((path, fuel)) is not code:  # Forgotten meanwhile.
                    _drop(code)

    def close(self) -> None:
        """Forget all of it."""
        with self._changing:
            codes, self._codes = self._codes, {}
        for code in codes.values():
            _forget(code)

    def _code(self, path: str, fuel: bool) -> _Code:
        with self._changing:
            code = self._codes.pop((path, fuel), None) or _Code(threading.Lock())
            self._codes[path, fuel] = code
            oldest = next(iter(self._codes.items())) if len(self._codes) > KEPT else None
            if oldest is not None:
                del self._codes[oldest[0]]
        if oldest is not None:
            _forget(oldest[1])
        return code


def _compile(code: _Code, path: str, fuel: bool) -> None:
    with open(path, "rb") as file:
        binary = file.read()
    if not binary.startswith(_MAGIC):
        binary = bytes(wasmtime.wat2wasm(binary))
    engine, core = _engine(fuel), binary.startswith(_CORE)
    compiled: Program = wasmtime.Module(engine, binary) if core else component.Component(engine, binary)
    kept = os.memfd_create("wasm", os.MFD_CLOEXEC)
    with contextlib.closing(compiled), open(os.dup(kept), "wb") as file:
        file.write(compiled.serialize())
    _drop(code)
    code.file, code.core = kept, core


def _forget(code: _Code) -> None:
    with code.lock:
        _drop(code)


def _drop(code: _Code) -> None:
    """What was compiled, if anything; by who has the lock."""
    code.stamp = None
    if code.file >= 0:
        os.close(code.file)
    code.file = -1


def _engine(fuel: bool) -> wasmtime.Engine:
    config = wasmtime.Config()
    config.epoch_interruption = True
    config.consume_fuel = fuel
    config.wasm_threads = False  # One that waits for another thread could not be interrupted.
    return wasmtime.Engine(config)
