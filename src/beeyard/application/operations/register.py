"""Register a worker."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operation import Call, Operation, Request

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Registered(Struct):
    """The token by which this attempt of the worker reports from now on."""

    worker: str
    attempt: int
    token: str


class Register(Request[Registered]):
    """Nothing to say: the token that is shown says who it is."""


async def register(master: "Master", request: Register, call: Call) -> Registered:
    """Register an attempt of a worker, by the token in its BEEYARD_REGISTRATION, which is used up by that."""
    worker, attempt = call.caller.attempt
    _, text = await master.enrolment.register(worker, attempt)
    return Registered(worker, attempt, text)


OPERATION = Operation("register", Register, register, changes=True, kept=False, by_worker=True)
