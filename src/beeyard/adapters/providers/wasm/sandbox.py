"""One run of a command: what it is given, what it may use, and how it ended. In one thread, but for `end`.

Nothing of the host is inherited. All output goes to who made this.
"""

import contextlib
import errno
import signal
from collections.abc import Callable, Mapping

import wasmtime
from wasmtime import component

from beeyard.adapters.providers.wasm.compiled import Program
from beeyard.adapters.providers.wasm.section import PAGE, WasmSection
from beeyard.adapters.providers.wasm.waiting import Waiting
from beeyard.adapters.providers.wasm.words import INTERRUPTED, OUT_OF_FUEL, TOO_LARGE, UNKNOWN, reason, where
from beeyard.domain.messages import Exit
from beeyard.domain.values import human_memory
from beeyard.sdk.words import Unfit

ABORTED = 134
"""The exit code of what did not get to give one, as the runtime's own command line has it."""
TABLES, ELEMENTS = 16, 100_000
"""How many tables it may have, of what size: they count for no memory, and are some megabytes at most."""

_COMMAND = "wasi:cli/run@"
Write = Callable[[bytes], None]


class Sandbox:
    """Made in the thread that runs it."""

    def __init__(self, engine: wasmtime.Engine, section: WasmSection) -> None:
        self._engine = engine
        self._section = section
        self._waiting = Waiting()
        self._memory: wasmtime.Memory | None = None
        self._store = wasmtime.Store(engine)
        self._store.set_epoch_deadline(1)
        self._store.set_limits(section.memory, ELEMENTS, tables=TABLES, memories=1)
        if section.fuel is not None:
            self._store.set_fuel(section.fuel)

    def end(self) -> None:
        """End it wherever it is, unless it waits for the host; from any thread, harmless twice."""
        self._waiting.end()
        self._engine.increment_epoch()

    def run(self, program: Program, environment: Mapping[str, str], out: Write, err: Write) -> Exit:
        """From its beginning to its end. Raises Unfit for a program that asks for what is not there."""
        try:
            self._store.set_wasi(self._given(environment, out, err))
            start = self._core(program) if isinstance(program, wasmtime.Module) else self._component(program)
            return self._told(0 if start() else 1)
        except wasmtime.ExitTrap as error:
            return self._told(error.code)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            return self._broken(error, err)
        finally:
            self._store.close()
            program.close()

    def _given(self, environment: Mapping[str, str], out: Write, err: Write) -> wasmtime.WasiConfig:
        given = wasmtime.WasiConfig()
        given.argv = [self._section.module, *self._section.args]
        given.env = list(environment.items())
        given.stdout_custom, given.stderr_custom = _written(out), _written(err)
        for inner, grant in self._section.folders.items():
            try:
                given.preopen_dir(grant.path, inner, grant.write)
            except wasmtime.WasmtimeError:
                raise Unfit(f"no folder {grant.path} that could be read") from None
        return given

    def _core(self, module: wasmtime.Module) -> Callable[[], bool]:
        linker = wasmtime.Linker(self._engine)
        linker.define_wasi()
        self._waiting.define(linker)
        exports = linker.instantiate(self._store, module).exports(self._store)
        memory, start = exports.get("memory"), exports.get("_start")
        self._memory = memory if isinstance(memory, wasmtime.Memory) else None
        if not isinstance(start, wasmtime.Func):
            raise Unfit(f"{self._section.module} is no command: it has no function _start")

        def run() -> bool:
            start(self._store)
            return True

        return run

    def _component(self, command: component.Component) -> Callable[[], bool]:
        linker = component.Linker(self._engine)
        linker.add_wasip2()
        instance = linker.instantiate(self._store, command)
        name = next((name for name in command.type.exports(self._engine) if name.startswith(_COMMAND)), "")
        exported = instance.get_export_index(self._store, name)
        found = instance.get_export_index(self._store, "run", exported) if exported is not None else None
        start = instance.get_func(self._store, found) if found is not None else None
        if start is None:
            raise Unfit(f"{self._section.module} is no command: it does not export wasi:cli/run")
        return lambda: start(self._store).tag == "ok"

    def _told(self, code: int) -> Exit:
        return Exit(code, note=f"its memory was full: {self._full()}" if code and self._full() else "")

    def _broken(self, error: Exception, err: Write) -> Exit:
        why = reason(error)
        if why == INTERRUPTED:
            return Exit(signal=signal.SIGTERM)
        if why.startswith(UNKNOWN):
            raise Unfit(f"{self._section.module} asks for what no command is given: {why}") from None
        with contextlib.suppress(OSError, ValueError):
            err(f"{error}\n".encode())
        if why == OUT_OF_FUEL:
            return Exit(ABORTED, note=f"out of fuel: it had {self._section.fuel}")
        if TOO_LARGE in why:
            return Exit(ABORTED, note=f"out of memory: {why}; it has {human_memory(self._section.memory)}")
        if self._full():
            return Exit(ABORTED, note=f"out of memory: all {self._full()} are in use; then {why}{where(error)}")
        return Exit(ABORTED, note=f"{why}{where(error)}")

    def _full(self) -> str:
        """Its whole memory, if there is no room for another page."""
        size = 0 if self._memory is None else self._memory.data_len(self._store)
        return human_memory(size) if size > self._section.memory - PAGE else ""


def _written(write: Write) -> Callable[[bytes], int]:
    """As the runtime wants it: how much was taken, or what was wrong. It raises nothing, for nobody would hear it."""

    def take(data: bytes) -> int:
        try:
            write(data)
        except (OSError, ValueError) as error:
            return -(error.errno if isinstance(error, OSError) and error.errno else errno.EIO)
        return len(data)

    return take
