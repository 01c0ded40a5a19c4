"""Take a worker's word."""

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from beeyard.application.operation import Call, Operation, Request

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Report(Request[None]):
    """What it says of itself: assignments of sd_notify(3) such as `READY=1`, a line each."""

    text: Annotated[str, Meta(min_length=1, max_length=32_768, examples=["READY=1\nSTATUS=serving"])]


async def report(master: "Master", request: Report, call: Call) -> None:
    """Say how a worker is, by the protocol of sd_notify(3): for one that registered."""
    master.enrolment.report(*call.caller.attempt, request.text)


OPERATION = Operation("report", Report, report, by_worker=True)
