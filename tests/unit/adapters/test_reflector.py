"""A mirror is right whatever the stream did: compared with a world whose whole history is known."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beeyard.adapters.reflector import MOST, Change, Listed, Reflector, Stale, Step
from beeyard.domain.errors import Limited, Unavailable

DOWN = Unavailable("down", "it is down")


class World:
    """Things and all that ever happened to them; what is older than `kept` events is forgotten there."""

    def __init__(self) -> None:
        self.history: list[tuple[str, int | None]] = []
        self.serial = count(1)
        self.kept = 0
        self.faults: list[str] = []
        self.asked: list[str] = []
        self.pauses: list[float] = []
        self.changes: list[Change[int]] = []
        self.contacts: list[str] = []
        self.plan: list[Callable[[], None]] = []
        self.quiet = asyncio.Event()

    def now(self) -> dict[str, int]:
        """What there is."""
        things: dict[str, int] = {}
        for key, thing in self.history:
            if thing is None:
                things.pop(key, None)
            else:
                things[key] = thing
        return things

    def touch(self, key: str) -> None:
        """It is new, or another than before."""
        self.history.append((key, next(self.serial)))

    def drop(self, key: str) -> None:
        """It is gone, for ever."""
        if key in self.now():
            self.history.append((key, None))

    def advance(self) -> bool:
        """The next thing happens."""
        if self.plan:
            self.plan.pop(0)()
            return True
        return False

    def fault(self) -> str:
        assert len(self.asked) < 1000, "a hot loop"
        return self.faults.pop(0) if self.faults else ""

    async def list_all(self) -> Listed[int]:
        self.asked.append("list")
        match self.fault():
            case "down" | "cut" | "half":
                raise DOWN
            case "limited":
                raise Limited("limited", "later", retry_after=7.0)
        return Listed(str(len(self.history)), self.now())

    async def watch(self, version: str) -> AsyncGenerator[Step[int], None]:
        """What happened since, then what is planned; one fault of the list ends it at a place of its choice."""
        self.asked.append(f"watch {version}")
        fault, at = self.fault(), int(version)
        if fault == "down":
            raise DOWN
        if fault == "limited":
            raise Limited("limited", "later", retry_after=7.0)
        if fault == "stale" or at < self.kept:
            raise Stale
        yield Step(version)
        for sent in count():
            if fault == "cut" and sent == 1:
                return
            if fault == "half" and sent == 2:
                raise DOWN
            if fault == "late stale" and sent == 2:
                raise Stale
            if at == len(self.history) and not self.advance():
                if fault:
                    return
                self.quiet.set()
                await asyncio.Event().wait()
            if fault == "bookmark" and sent == 0:
                yield Step(str(at))
            if at < len(self.history):
                key, thing = self.history[at]
                at += 1
                yield Step(str(at), key, thing)

    async def pause(self, seconds: float) -> None:
        """Time passes at once, and meanwhile things happen."""
        self.pauses.append(seconds)
        for _ in range(3):
            self.advance()
        await asyncio.sleep(0)

    def mirror(self) -> Reflector[int]:
        return Reflector(
            self.list_all, self.watch, self.changes.append, self.contacts.append, pause=self.pause, roll=lambda: 0.0
        )


async def mirrored(world: World) -> Reflector[int]:
    """A mirror that has seen all that is planned."""
    mirror = world.mirror()
    running = asyncio.ensure_future(mirror.run())
    quiet = asyncio.ensure_future(world.quiet.wait())
    await asyncio.wait([running, quiet], return_when=asyncio.FIRST_COMPLETED, timeout=60)
    assert quiet.done(), f"never quiet: {world.asked[-5:]}"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return mirror


FAULTS = st.sampled_from(["", "down", "limited", "stale", "cut", "half", "late stale", "bookmark"])
DEEDS = st.tuples(st.sampled_from(["touch", "touch", "drop", "forget"]), st.integers(0, 3))


@settings(deadline=None, max_examples=300)
@given(st.lists(DEEDS, max_size=25), st.lists(FAULTS, max_size=12), st.integers(0, 6))
def test_whatever_the_stream_did_the_sequence_is_right(
    deeds: list[tuple[str, int]], faults: list[str], before: int
) -> None:
    """Each key is added, changed, gone; states come in the order in which they were; the end is the world's."""

    async def run() -> None:
        world = World()
        lives = dict.fromkeys(range(4), 0)

        def deed(kind: str, number: int) -> None:
            key = f"{number}.{lives[number]}"
            if kind == "touch":
                world.touch(key)
            elif kind == "drop":
                world.drop(key)
                lives[number] += 1
            else:
                world.kept = len(world.history)

        world.plan = [lambda kind=kind, number=number: deed(kind, number) for kind, number in deeds]  # type: ignore[misc]
        for _ in range(before):
            world.advance()
        world.faults = list(faults)
        mirror = await mirrored(world)
        assert mirror.things == world.now()
        told: dict[str, int] = {}
        for change in world.changes:
            if change.kind == "added":
                assert change.key not in told
            else:
                assert change.key in told
            if change.kind == "gone":
                assert told.pop(change.key) == change.thing
            else:
                assert change.thing > told.get(change.key, 0)
                assert (change.key, change.thing) in world.history
                told[change.key] = change.thing
        assert told == world.now()
        assert [bool(text) for text in world.contacts] == [True, False] * (len(world.contacts) // 2)

    asyncio.run(run())


async def test_a_closed_stream_goes_on_where_it_was_without_a_list() -> None:
    """An API server closes streams every few minutes; that costs one request."""
    world = World()
    world.touch("a")
    world.plan = [lambda: world.touch("b"), lambda: world.touch("c")]
    world.faults = ["", "cut"]
    await mirrored(world)
    assert world.asked == ["list", "watch 1", "watch 2"]
    assert world.pauses == [0.0]


async def test_one_stale_version_is_one_list_at_once() -> None:
    """And only what differs is told."""
    world = World()
    world.touch("a")
    world.touch("b")
    world.faults = ["", "stale"]
    await mirrored(world)
    assert world.asked == ["list", "watch 2", "list", "watch 2"]
    assert (world.pauses, [change.kind for change in world.changes]) == ([0.0], ["added", "added"])


async def test_versions_that_are_always_stale_are_no_hot_loop() -> None:
    """A server that answers 410 to what it just listed is asked ever more seldom."""
    world = World()
    world.faults = ["", "stale"] * 12
    await mirrored(world)
    assert world.pauses == [0.0, *[0.2 * 2**n for n in range(8)], *[MOST] * 3]


async def test_the_wait_that_a_server_asks_for_is_kept() -> None:
    """Retry-After is the least."""
    world = World()
    world.faults = ["limited", "", "limited"]
    await mirrored(world)
    assert world.pauses == [7.0, 7.0]
    assert world.contacts == []


@pytest.mark.parametrize(("failures", "contacts"), [(1, []), (2, ["it is down", ""]), (5, ["it is down", ""])])
async def test_contact_is_lost_once_and_found_once(failures: int, contacts: list[str]) -> None:
    """One closed connection is no loss, and a long loss is told once."""
    world = World()
    world.faults = ["down"] * failures
    await mirrored(world)
    assert world.contacts == contacts
