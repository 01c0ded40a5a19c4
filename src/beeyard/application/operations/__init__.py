"""Everything Beeyard can be asked to do. A new operation is one file here and one line in the table."""

from beeyard.application.operations import add, apply, down, info, logs, ps, remove, restart, start, stop, why
from beeyard.application.operations.base import Operation

OPERATIONS: dict[str, Operation] = {
    module.OPERATION.name: module.OPERATION
    for module in (ps, info, why, logs, start, stop, restart, add, remove, apply, down)
}
"""Name -> operation."""
