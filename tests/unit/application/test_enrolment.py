"""Who may register, among fakes."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from beeyard.application.listening import LISTEN
from beeyard.application.operation import Call, Caller
from beeyard.application.operations.register import Register, register
from beeyard.application.operations.report import Report, report
from beeyard.application.tokens import SHOWN
from beeyard.domain.access import Grant
from beeyard.domain.errors import Invalid, Rejected, Unidentified
from beeyard.domain.master import ListenSpec
from beeyard.domain.messages import Handle
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.worker import Starting, new
from beeyard.ports.provider import Capabilities
from tests.fakes.clock import settle
from tests.fakes.world import World, phase, spec


def caller(worker: str, attempt: int, only: str) -> Call:
    """As the HTTP page makes it of a worker's token."""
    return Call(Caller(f"worker {worker}", Grant(workers=(worker,), only=only), attempt=(worker, attempt)))


async def test_what_gives_no_token_to_a_worker_is_said_early() -> None:
    """Such as a provider within the master, whose workers say how they are in another way."""
    async with World().running() as master:
        master.listening.want(ListenSpec("127.0.0.1:8600"))
        with pytest.raises(Invalid) as refused:
            await master.add_workers([spec("w", register=True)])
    wrong = "w.register: found true, expected nothing: what fake runs says how it is in another way"
    assert str(refused.value) == wrong


async def test_a_launch_that_is_resumed_invites_to_where_the_master_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next master knows where it is to be called before it goes on with anything."""
    world, urls = World(), list[str]()
    facts: Any = {"boot": world.host.boot, LISTEN: '{"address":"127.0.0.1:8600"}'}
    worker = replace(new(spec("w", register=True)), phase=Starting(1, 1, 0.0), attempt=1)
    await world.saved(worker, **facts)
    master, launch = world.master(), world.provider.launch

    async def inviting(spec: WorkerSpec, attempt: int, ports: Mapping[str, int]) -> Handle:
        urls.append((await master.enrolment.invite(spec.id, attempt)).url)
        return await launch(spec, attempt, ports)

    monkeypatch.setattr(world.provider, "launch", inviting)
    async with master.running():
        await settle()
        assert urls == ["http://127.0.0.1:8600"]


async def test_nobody_is_invited_to_a_master_that_nobody_can_call() -> None:
    """The launch is refused, which says what to set; no token is made."""
    async with World().running() as master:
        with pytest.raises(Rejected) as refused:
            await master.enrolment.invite("w", 1)
        assert (refused.value.code, master.tokens.all()) == ("register_unreachable", [])
        assert "listen: HOST:PORT" in refused.value.hint


async def test_what_it_reports_goes_the_way_of_all_words_and_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Invited, registered, heard; and after its end the master knows nothing of its session."""
    world = World()
    able = Capabilities("all", user_switching=False, exact_exits=True, registers=True)
    monkeypatch.setattr(world.provider, "capabilities", lambda: able)
    async with world.master().running() as master:
        master.listening.want(ListenSpec("127.0.0.1:8600"))
        await master.add_workers([spec("w", register=True)])
        await settle()
        invitation = await master.enrolment.invite("w", 1)
        assert invitation.url == "http://127.0.0.1:8600"
        made = await register(master, Register(), caller("w", 1, "register"))
        assert (made.worker, made.attempt) == ("w", 1)
        await report(master, Report("STATUS=warm"), caller("w", 1, "report"))
        await settle()
        assert phase(master, "w").status == "warm"  # type: ignore[union-attr]
        await master.tokens.authenticate(made.token, SHOWN)
        world.provider.exit("w")
        await settle()
        with pytest.raises(Unidentified):
            await master.tokens.authenticate(made.token, SHOWN)
