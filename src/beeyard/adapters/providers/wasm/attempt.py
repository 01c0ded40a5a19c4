"""One attempt of a command in an apartment: compiled, run and ended there.

No exception is ever put into its thread: what ends it is the interruption of its engine.
"""

from collections.abc import Mapping

from beeyard.adapters.apartments.attempt import Attempt, Order
from beeyard.adapters.providers.wasm.compiled import Compiled
from beeyard.adapters.providers.wasm.sandbox import Sandbox
from beeyard.adapters.providers.wasm.section import WasmSection
from beeyard.domain.messages import Exit
from beeyard.sdk.run import UNFIT, Lines
from beeyard.sdk.words import Unfit


class WasmAttempt(Attempt):
    """Made and started by the master. `environment`: what it finds there, secrets in place."""

    def __init__(self, order: Order, section: WasmSection, environment: Mapping[str, str], compiled: Compiled) -> None:
        super().__init__(order, Lines(order.spec.id))
        self._section = section
        self._environment = environment
        self._compiled = compiled
        self._sandbox: Sandbox | None = None
        self._stopping = False

    def stop(self) -> None:
        """There are no signals in WebAssembly: whatever asks it to end does end it."""
        self._stopping = True
        for outlet in (self.tenant.out, self.tenant.err):
            outlet.abandon()
        if self._sandbox is not None:
            self._sandbox.end()

    def cancel(self) -> None:
        self.stop()

    def evict(self) -> None:
        self.stop()

    def stuck(self) -> str:
        return f"{self._section.module} waits in a call to the host"

    def work(self) -> Exit:
        try:
            return self._ran()
        except Unfit as error:
            self.tenant.logger.error("%s", error)
            return Exit(UNFIT, note=str(error))

    def _ran(self) -> Exit:
        engine, program = self._compiled.program(self._section.module, self._section.fuel is not None)
        sandbox = self._sandbox = Sandbox(engine, self._section)
        if self._stopping:  # Whoever asked before the sandbox was known here.
            sandbox.end()
        out, err = self.tenant.out, self.tenant.err
        return sandbox.run(program, self._environment, out.write_bytes, err.write_bytes)

    def uncaught(self, error: BaseException, where: str) -> None:
        """It has but one thread, whose errors end it."""
        raise error
