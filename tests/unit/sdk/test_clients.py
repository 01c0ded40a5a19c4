"""Contracts, and clients that call them within one process or by what they find."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Protocol

import pytest

from beeyard.sdk import Context, Interrupted, Unreachable, clients, direct, finding, gateways, register_gateway
from beeyard.sdk.clients import AUTO
from beeyard.sdk.contracts import understood
from beeyard.sdk.endpoints import EndpointView, kind_of
from tests.unit.sdk.quarters import LONG, Echo, Quarters, Said, Service, Sizes, TooLong, context, quarters

MASTER = "/run/test.sock"


class Home:
    """A module `echo` in quarters of its own, that offers the contract, and one that asks."""

    def __init__(self, there: Quarters) -> None:
        self.quarters = there
        self.service = Service()
        self.context = there.do(self.offering("echo"))
        self.asks = context("asks", MASTER)

    async def offering(self, worker: str, contract: type[Any] = Echo) -> Context[None]:
        """Another module that does."""
        made = context(worker, MASTER)
        made.offer(contract, self.service)
        return made

    def end(self) -> None:
        """The module's end, as its host goes about it."""
        self.quarters.do(self.ending())

    async def ending(self) -> None:
        """On its loop."""
        self.context.withdraw()
        self.context.end()


@pytest.fixture
def home() -> Iterator[Home]:
    """One."""
    with quarters() as there:
        made = Home(there)
        yield made
        made.end()


@pytest.fixture
async def echo(home: Home) -> Echo:
    """A client of it."""
    return await home.asks.connect(Echo, "echo", via="direct")  # type: ignore[type-abstract]


def view(name: str, protocol: Any, address: str, worker: str = "echo", **metadata: str) -> EndpointView:
    """An endpoint as the master tells it."""
    return EndpointView(worker, name, kind_of(protocol, address), protocol, address, metadata, 0.0, "module")


# --- contracts ------------------------------------------------------------------------------------------------------


def test_what_is_no_contract_is_said_when_it_is_first_used() -> None:
    """By class and method."""

    class Untold(Protocol):
        async def say(self, text, times: int): ...  # type: ignore[no-untyped-def]

    class Many(Protocol):
        async def say(self, *texts: str) -> str: ...

    class Stream(Protocol):
        async def say(self) -> AsyncIterator[str]:
            yield ""

    class Empty(Protocol):
        name: str

    told = []
    for contract in (Untold, Many, Stream, Empty):
        with pytest.raises(TypeError) as caught:
            understood(contract)
        told.append(str(caught.value))
    assert told == [
        "Untold.say lacks annotations: text, return",
        "Many.say: *texts: str can't be passed by its name",
        "Stream.say yields: a method of a contract answers once",
        "Empty is no contract: it has no public methods",
    ]


async def test_an_object_has_to_keep_to_what_it_offers() -> None:
    """All of it, async where that is."""

    class Half:
        def say(self, text: str) -> str:
            return text

    expected = "Half does not keep to the contract Echo: say is not async, fail is missing, wait is missing"
    with pytest.raises(TypeError, match=expected):
        context("half").offer(Echo, Half())


# --- direct ---------------------------------------------------------------------------------------------------------


async def test_what_is_offered_shows_as_a_direct_endpoint(home: Home) -> None:
    """By the contract's name; no more once it is unregistered."""
    offers = home.context.offers
    assert {name: (offer.protocol, offer.address) for name, offer in offers.items()} == {"Echo": ("direct", "Echo")}
    home.quarters.loop.call_soon_threadsafe(home.context.unregister, "Echo")
    home.quarters.do(asyncio.sleep(0))
    assert home.context.offers == {}
    assert direct.offered(MASTER, "echo", "", "Echo") == []


async def test_a_call_hops_to_the_other_loop_and_its_answer_back(home: Home, echo: Echo) -> None:
    """Values are passed as they are, and what the caller leaves out is what the service takes."""
    assert await echo.say("ho") == Said("hohoho", 3)
    assert await echo.say("ho", times=1) == Said("ho", 1)


async def test_plain_methods_run_where_their_mark_says(home: Home, echo: Echo) -> None:
    """Thread-safe ones in the caller's thread, others in the service's."""
    assert echo.here() == threading.get_ident()
    assert echo.there() == home.quarters.thread.ident


async def test_errors_cross_as_they_are(echo: Echo) -> None:
    """Also those that no other process could know."""
    for how, kind in (("value", ValueError), ("declared", TooLong), ("strange", threading.BrokenBarrierError)):
        with pytest.raises(kind):
            await echo.fail(how)
    with pytest.raises(TypeError, match="unexpected keyword argument 'volume'"):
        await echo.say("ho", volume=11)  # type: ignore[call-arg]


async def test_what_a_service_could_not_reach_is_its_own_error(home: Home, echo: Echo) -> None:
    """It was asked, and so it is not asked again."""
    with pytest.raises(Unreachable, match="whom it needs is gone"):
        await echo.fail("further")
    assert home.service.failed == 1


async def test_a_service_that_exits_ends_nobody_else(home: Home, echo: Echo) -> None:
    """Its callers see it as lost."""
    with pytest.raises(Interrupted, match="echo ended before it had answered"):
        await echo.fail("exit")
    assert home.quarters.exits == 1


async def test_a_caller_that_is_cancelled_cancels_over_there(home: Home, echo: Echo) -> None:
    """And sees its own cancellation."""
    call = asyncio.ensure_future(echo.wait())
    await asyncio.to_thread(home.service.waiting.wait, LONG)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.to_thread(home.service.cancelled.wait, LONG)


async def test_a_call_that_takes_too_long_is_given_up_and_cancelled_over_there(home: Home) -> None:
    """As long as whoever connects allows; what the service itself calls too late is its own error."""
    impatient = await home.asks.connect(Echo, "echo", via="direct", timeout=0.05)  # type: ignore[type-abstract]
    with pytest.raises(Interrupted, match=r"echo did not answer within 0\.05s"):
        await impatient.wait()
    assert await asyncio.to_thread(home.service.cancelled.wait, LONG)


async def test_the_end_of_a_service_is_an_error_of_the_call_and_no_cancellation(home: Home, echo: Echo) -> None:
    """Who waits for an answer is told that there will be none."""
    call = asyncio.ensure_future(echo.wait())
    await asyncio.to_thread(home.service.waiting.wait, LONG)
    home.end()
    with pytest.raises(Interrupted, match="echo ended before it had answered"):
        await call
    with pytest.raises(Unreachable):
        await echo.say("ho")


async def test_a_call_that_is_never_begun_is_given_up(home: Home, echo: Echo) -> None:
    """The loop that it hopped to ended in the same moment."""
    began = threading.Event()

    async def busy() -> None:
        began.set()
        called.wait(LONG)
        home.context.withdraw()
        home.context.end()
        home.quarters.loop.stop()

    called = threading.Event()
    asyncio.run_coroutine_threadsafe(busy(), home.quarters.loop)
    await asyncio.to_thread(began.wait, LONG)
    call = asyncio.ensure_future(echo.wait())
    await asyncio.sleep(0)
    called.set()
    with pytest.raises(Interrupted):
        await call
    home.quarters.thread.join()
    home.quarters.begin()


async def test_a_service_that_is_restarted_is_found_again(home: Home, echo: Echo) -> None:
    """By the same client, as if nothing had happened."""
    home.end()
    home.context = home.quarters.do(home.offering("echo"))
    assert await echo.say("ho") == Said("hohoho", 3)
    assert echo.there() == home.quarters.thread.ident


async def test_workers_of_one_contract_are_told_apart(home: Home) -> None:
    """By id, and by their master; of a group one after the other is asked."""
    more = [home.quarters.do(home.offering(f"size.{number}", Sizes)) for number in (1, 2)]
    seen = {one.worker for one in direct.offered(MASTER, "size", "", "Sizes")}
    assert seen == {"size.1", "size.2"}
    sizes = await home.asks.connect(Sizes, "size")  # type: ignore[type-abstract]
    assert isinstance(sizes, Sizes)
    assert await sizes.size("four") == 4
    for one in more:
        one.withdraw()
    with pytest.raises(Unreachable, match="no master is known"):
        await context("asks").connect(Echo, "echo")  # type: ignore[type-abstract]


# --- choosing -------------------------------------------------------------------------------------------------------


class Gate:
    """What an author's gateway makes: tells by which address it was asked."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.closed = False

    async def size(self, text: str) -> int:
        if self.address == "refuses":
            raise ConnectionRefusedError("nobody listens")
        if self.address == "breaks":
            raise ConnectionResetError("reset")
        return int(self.address)

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture
def gates() -> Iterator[list[Gate]]:
    """Those that were made, of gateways for gRPC and HTTP."""
    made: list[Gate] = []

    def make(address: str) -> Gate:
        made.append(Gate(address))
        return made[-1]

    before = dict(gateways._gateways)
    register_gateway(Sizes, "grpc", make)
    register_gateway(Sizes, "http", make)
    yield made
    gateways._gateways.clear()
    gateways._gateways.update(before)


async def reached(seen: Sequence[Sequence[EndpointView]], via: Any = "auto", name: str = "") -> int:
    """What a call answers, where each look finds the next of these."""
    looks = iter(seen)

    async def find(worker: str) -> list[EndpointView]:
        return list(next(looks))

    made, link = await clients.connect(Sizes, "echo", via, name, MASTER, find)  # type: ignore[type-abstract]
    try:
        return await made.size("x")
    finally:
        await link.close()


BOTH = [view("web", "http", "80"), view("rpc", "grpc", "50")]


@pytest.mark.parametrize(
    ("via", "name", "answer"), [("auto", "", 50), ("http", "", 80), (("http", "grpc"), "", 80), ("auto", "web", 80)]
)
async def test_the_way_is_the_first_that_is_offered(gates: list[Gate], via: Any, name: str, answer: int) -> None:
    """In the order of `auto`, or in one's own; a name says which endpoint it has to be. At the end it is closed."""
    assert AUTO == ("direct", "grpc", "http")
    assert await reached([BOTH], via, name) == answer
    assert [gate.closed for gate in gates] == [True]


async def test_what_says_its_contract_is_taken_before_what_does_not(gates: list[Gate]) -> None:
    """And what says another one never."""
    seen = [
        view("metrics", "http", "1"),
        view("other", "http", "2", contract="Echo"),
        view("it", "http", "3", contract="Sizes"),
    ]
    assert await reached([seen]) == 3
    assert await reached([seen[:2]]) == 1
    with pytest.raises(Unreachable, match="echo does not offer Sizes by direct or grpc or http") as caught:
        await reached([seen[1:2]])
    assert caught.value.hint == "it offers other (http)"


async def test_several_that_may_be_meant_are_named(gates: list[Gate]) -> None:
    """Nobody guesses."""
    with pytest.raises(Unreachable, match="several endpoints of echo may serve Sizes: web, admin"):
        await reached([[view("web", "http", "80"), view("admin", "http", "81")]])


async def test_a_call_is_made_again_only_if_nothing_was_sent(gates: list[Gate]) -> None:
    """Looked up anew once; what may have been done is not done twice."""
    gone, here = [view("rpc", "grpc", "refuses")], [view("rpc", "grpc", "50")]
    assert await reached([gone, here]) == 50
    with pytest.raises(Unreachable):
        await reached([gone, gone, here])
    with pytest.raises(Interrupted, match="lost before it had answered: reset"):
        await reached([[view("rpc", "grpc", "breaks")], here])


# --- finding --------------------------------------------------------------------------------------------------------


async def test_a_master_that_is_not_there_is_nobody_to_ask(tmp_path: Any) -> None:
    """No socket, and one that is no master's."""
    with pytest.raises(Unreachable, match="no master answers at"):
        await finding.finder(str(tmp_path / "none"))("echo")

    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"go away\n")
        writer.close()

    server = await asyncio.start_unix_server(rude, tmp_path / "s")
    async with server:
        with pytest.raises(Unreachable, match="is no master"):
            await finding.finder(str(tmp_path / "s"))("echo")
