"""Workers as modules within the master: no process, but a thread and an event loop for each."""

from collections.abc import Mapping

from beeyard.adapters import modules
from beeyard.adapters.apartments.attempt import Order
from beeyard.adapters.apartments.provider import Within
from beeyard.adapters.providers.module.attempt import ModuleAttempt
from beeyard.adapters.providers.module.section import ModuleSection
from beeyard.domain.errors import Problem
from beeyard.domain.limits import UNLIMITED
from beeyard.domain.packages import Manifest
from beeyard.domain.plain import Mismatch, read
from beeyard.domain.secrets import Secret
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.supply import Equipment, module_of
from beeyard.ports.provider import Capabilities

NO_LIMITS = "`provider: process` runs the same module as a process, which can have limits"


class ModuleProvider(Within):
    """Implements ports.provider.Provider."""

    name = "module"
    section = ModuleSection
    packaged = None
    hosted = None

    def capabilities(self) -> Capabilities:
        means = "an exception in each of its threads, which one that waits in C code sees when it comes back"
        return Capabilities(means, user_switching=False, exact_exits=True, within=True)

    def check(self, spec: WorkerSpec) -> list[Problem]:
        try:
            read(spec.run, ModuleSection, "run")
        except Mismatch as mismatch:
            return mismatch.problems
        if spec.module is None:
            return [Problem("module", "nothing", "which module it runs")]
        found = modules.problems(spec)
        if spec.limits != UNLIMITED:
            found.append(Problem("limits", "limits", "none: it shares the master's memory", hint=NO_LIMITS))
        return found

    def equip(
        self, spec: WorkerSpec, manifest: Manifest, folder: str, needs: Mapping[str, str], image: str = ""
    ) -> Equipment:
        return Equipment({}, module_of(spec.module, manifest, folder))

    def secrets(self, spec: WorkerSpec) -> dict[str, str]:
        return modules.secrets_of(spec)

    def make(self, order: Order, secrets: Mapping[str, Secret]) -> ModuleAttempt:
        master = self._launcher.master_socket
        terms = modules.terms_of(order.spec, order.number, order.handle.ports, secrets, master)
        return ModuleAttempt(order, terms)

    async def swap(self, worker: str, attempt: int) -> None:
        known = self._current(worker, attempt)
        if isinstance(known, ModuleAttempt):
            known.swap()

    def describe(self, spec: WorkerSpec) -> dict[str, str | bool]:
        module = spec.module
        if module is None:
            return {}
        where = {"module_folder": module.folder} if module.folder else {}
        return {"module": module.factory, **where}
