"""Read the journal."""

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from beeyard.application.operation import Call, Limit, Operation, Request
from beeyard.ports.journal import Entry

if TYPE_CHECKING:
    from beeyard.application.master import Master


class AuditLog(Request[list[Entry]]):
    """`limit` entries, those older than the number in `after`."""

    limit: Limit = 50
    after: Annotated[int, Meta(ge=1, le=2**63 - 1, description="the number of an entry")] | None = None


async def audit_log(master: "Master", request: AuditLog, call: Call) -> list[Entry]:
    """Show who did what, from where and why, newest first."""
    return await master.journal.read(before=request.after, limit=request.limit)


OPERATION = Operation("audit_log", AuditLog, audit_log, role="admin", route="GET /v1/audit")
