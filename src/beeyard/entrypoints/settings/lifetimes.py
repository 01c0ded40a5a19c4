"""`lifetime:` of a worker, and whether it leaves the worker the time to start. What ends then, the lifecycle knows."""

from msgspec import structs

from beeyard.domain.lifetime import ENDLESS, Lifetime
from beeyard.domain.spec import WorkerSpec, too_short
from beeyard.entrypoints.settings import shape
from beeyard.entrypoints.settings.tree import Mapping
from beeyard.entrypoints.settings.words import Context


def aging(spec: WorkerSpec, block: shape.Lifetime, node: Mapping, context: Context) -> WorkerSpec:
    """The worker with its lifetime; `node` is the worker as written, with the defaults."""
    lifetime = Lifetime(block.max, block.idle, block.after)
    if lifetime == ENDLESS:
        return spec  # With the very default: a record does not mention it.
    spec = structs.replace(spec, lifetime=lifetime)
    written = node.entries.get("lifetime")
    if isinstance(written, Mapping):
        for problem in too_short(spec):
            context.report.wrong(written.entries["max"], problem.expected, problem.hint)
    return spec
