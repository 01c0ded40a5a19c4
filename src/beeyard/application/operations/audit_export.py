"""Give the journal out."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from beeyard.application.operation import Call, Operation, Streamed

if TYPE_CHECKING:
    from beeyard.application.master import Master


class AuditExport(Streamed[dict[str, Any]]):
    """Nothing to say."""


async def audit_export(master: "Master", request: AuditExport, call: Call) -> AsyncIterator[list[Raw]]:
    """Give out the whole journal, oldest first, each entry byte for byte as its hash was made of it."""
    async for piece in master.journal.export():
        yield [Raw(line) for line in piece.splitlines()]


OPERATION = Operation("audit_export", AuditExport, audit_export, role="admin", kept=False, route="GET /v1/audit/export")
