"""Check the journal."""

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from beeyard.application.operation import Call, Operation, Request
from beeyard.ports.journal import START, Head, Verdict

if TYPE_CHECKING:
    from beeyard.application.master import Master


class AuditVerify(Request[Verdict]):
    """`known`: NUMBER:HASH as an earlier check printed it; that entry has to be there still."""

    known: Annotated[str, Meta(pattern=r"^[0-9]{1,15}:[0-9a-f]{64}(?!\n)$", description="NUMBER:HASH")] | None = None


async def audit_verify(master: "Master", request: AuditVerify, call: Call) -> Verdict:
    """Check that no entry of the journal was changed, removed or put in between."""
    known = START
    if request.known is not None:
        number, _, digest = request.known.partition(":")
        known = Head(int(number), digest)
    return await master.audit.verify(known)


OPERATION = Operation("audit_verify", AuditVerify, audit_verify, role="admin", route="GET /v1/audit/verify")
