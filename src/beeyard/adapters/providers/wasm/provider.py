"""Workers as WebAssembly within the master: a WASI command or component in a thread, in a sandbox of its own."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from beeyard.adapters.apartments.attempt import Attempt, Order
from beeyard.adapters.apartments.provider import Within
from beeyard.adapters.means import Means
from beeyard.adapters.providers.wasm.section import PackagedWasm, WasmSection, section_type
from beeyard.adapters.surroundings import told
from beeyard.domain.errors import Problem, Refused, Rejected
from beeyard.domain.limits import UNLIMITED
from beeyard.domain.messages import Handle
from beeyard.domain.packages import Manifest
from beeyard.domain.plain import Mismatch, read
from beeyard.domain.secrets import Secret, filled, references
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.supply import Equipment
from beeyard.ports.provider import Capabilities

if TYPE_CHECKING:
    from beeyard.adapters.providers.wasm.compiled import Compiled

INSTALL = "pip install 'beeyard[wasm]'"
SUFFIXES = (".wasm", ".wat")


class WasmProvider(Within):
    """Implements ports.provider.Provider. The runtime is imported with the first launch, and need not be there."""

    name = "wasm"
    section = WasmSection
    packaged = PackagedWasm
    hosted = None

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._compiled: Compiled | None = None

    async def serve(self) -> None:
        try:
            await super().serve()
        finally:
            if self._compiled is not None:
                self._compiled.close()

    def capabilities(self) -> Capabilities:
        means = "an interruption, which one that waits for the host sees when it comes back"
        return Capabilities(means, user_switching=False, exact_exits=True, within=True)

    def check(self, spec: WorkerSpec) -> list[Problem]:
        try:
            section = _section(spec)
        except Mismatch as mismatch:
            return mismatch.problems
        return [*_unfit(section), *_malformed(section), *_meaningless(spec)]

    def equip(
        self, spec: WorkerSpec, manifest: Manifest, folder: str, needs: Mapping[str, str], image: str = ""
    ) -> Equipment:
        section = _section(spec)
        entry = manifest.process
        if not section.module:
            if entry is None or not entry.executable_path.endswith(SUFFIXES):
                text, hint = "{package} {version} has no WebAssembly", "name a file of it as wasm.module"
                raise Refused("package_no_wasm", text, hint=hint, package=manifest.name, version=manifest.version)
            section = replace(section, module=entry.executable_path, args=section.args or entry.args)
        elif entry is not None and section.module == entry.executable_path:
            section = replace(section, args=section.args or entry.args)
        plain: dict[str, Any] = msgspec.to_builtins(replace(section, module=os.path.join(folder, section.module)))
        return Equipment(plain)

    def secrets(self, spec: WorkerSpec) -> dict[str, str]:
        values = _section(spec).environment.items()
        return {name: f"run.environment.{variable}" for variable, value in values for name in references(value)}

    async def launch(self, spec: WorkerSpec, attempt: int, ports: Mapping[str, int]) -> Handle:
        if self._compiled is None:
            await asyncio.to_thread(_runtime)
        return await super().launch(spec, attempt, ports)

    def make(self, order: Order, secrets: Mapping[str, Secret]) -> Attempt:
        from beeyard.adapters.providers.wasm.attempt import WasmAttempt
        from beeyard.adapters.providers.wasm.compiled import Compiled

        if self._compiled is None:
            self._compiled = Compiled()
        section = _section(order.spec)
        environment = {name: filled(value, secrets) for name, value in section.environment.items()}
        environment |= told(order.spec, order.number, {})
        return WasmAttempt(order, section, environment, self._compiled)

    def describe(self, spec: WorkerSpec) -> dict[str, str | bool]:
        module = _section(spec).module
        return {"wasm_module": module, "wasm_module_exists": os.path.isfile(module)} if module else {}


def _runtime() -> None:
    """Import it, which takes 0.1 s. Raises Rejected when it is not installed."""
    try:
        import_module("beeyard.adapters.providers.wasm.attempt")
    except ImportError as error:
        raise Rejected("wasm_missing", "no wasmtime: {reason}", reason=str(error), hint=INSTALL) from None


def _section(spec: WorkerSpec) -> WasmSection:
    return read(spec.run, section_type(spec.package), "run")


def _unfit(section: WasmSection) -> Iterator[Problem]:
    """What is not there. What lies in a package need not be there yet."""
    if find_spec("wasmtime") is None:
        yield Problem("provider", "wasm, without wasmtime", "wasmtime to be installed", hint=INSTALL)
    module = section.module
    if ".." in module.split("/") and not module.startswith("/"):
        yield Problem("run.module", module, "a path within the package, without '..'")
    elif module.startswith("/") and (wrong := _no_file(module)):
        yield Problem("run.module", f"{module}, {wrong}", "a file of WebAssembly, or a .wat as text")
    for inner, grant in section.folders.items():
        if not os.path.isdir(grant.path):
            yield Problem(f"run.folders.{inner}", f"no folder {grant.path}", "an existing folder")


def _no_file(path: str) -> str:
    """What is wrong with it, by its name and first letters."""
    if not os.path.isfile(path):
        return "no such file"
    try:
        with open(path, "rb") as file:
            found = file.read(4)
    except OSError as error:
        return (error.strerror or "unreadable").lower()
    return "" if found == b"\0asm" or path.endswith(".wat") else "which is none"


def _malformed(section: WasmSection) -> Iterator[Problem]:
    for variable, value in section.environment.items():
        try:
            references(value)
        except ValueError as error:
            yield Problem(f"run.environment.{variable}", "a reference to no secret", str(error))


def _meaningless(spec: WorkerSpec) -> Iterator[Problem]:
    """What a sandbox can't have, or could never do."""
    if spec.module is not None:
        yield Problem("module", "a module", "none", hint="`wasm: {module: FILE}` says what it runs")
    if spec.limits != UNLIMITED:
        hint = "`memory` and `fuel` of its section `wasm` bound it"
        yield Problem("limits", "limits", "none: it runs within the master", hint=hint)
    if spec.endpoints:
        yield Problem("endpoints", "endpoints", "none: it has no network")
    for role, probe in spec.probes.items():
        if probe.means == "notify":
            yield Problem(f"probes.{role}.means", "notify", "another one", hint="WebAssembly has no way to notify")
