"""Events for any number of readers: each sees all of them once and in order, or is told how many it missed."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beeyard.application import feed as module
from beeyard.application.feed import Event, Feed
from tests.fakes.clock import settle


def tell(feed: Feed, number: int) -> None:
    """Something happens."""
    feed.tell("worker", float(number), lambda: number, "web")


async def rest(reader: AsyncGenerator[list[Event]]) -> list[Event]:
    """All that is left of a feed that has ended."""
    return [event async for batch in reader for event in batch]


async def some(reader: AsyncGenerator[list[Event]]) -> list[Event]:
    return await anext(reader, [])


async def test_a_reader_from_now_on_begins_with_an_empty_batch_and_misses_nothing_after_the_call() -> None:
    """What is told between asking and reading is its first event."""
    feed = Feed("e")
    tell(feed, 1)
    reader, late = feed.read(None), feed.read(None)
    assert await anext(late) == []
    tell(feed, 2)
    assert await anext(reader) == await anext(late) == [Event("e-2", "worker", 2.0, "web", 2)]


async def test_a_reader_from_the_oldest_gets_what_is_kept_without_a_gap() -> None:
    """It did not ask for more."""
    feed = Feed("e", kept=2)
    for number in range(1, 5):
        tell(feed, number)
    assert [event.cursor for event in await anext(feed.read(""))] == ["e-3", "e-4"]


async def test_a_cursor_given_back_goes_on_where_it_was() -> None:
    """Whether as an event's or as the feed's."""
    feed = Feed("e")
    tell(feed, 1)
    tell(feed, 2)
    feed.end()
    assert [event.data for event in await rest(feed.read("e-1"))] == [2]
    assert await rest(feed.read(feed.cursor)) == []


async def test_a_reader_that_was_too_slow_is_told_how_many_it_missed() -> None:
    """And gets all that is kept; the gap's own cursor leads there as well."""
    feed = Feed("e", kept=3)
    reader = feed.read(None)
    await anext(reader)
    for number in range(1, 8):
        tell(feed, number)
    gap = Event("e-4", "gap", 5.0, None, {"missed": 4})
    first, *others = await anext(reader)
    assert first == gap
    assert [event.data for event in others] == [5, 6, 7]
    assert [event.data for event in await anext(feed.read(gap.cursor))] == [5, 6, 7]


async def test_events_that_come_faster_than_a_reader_leave_it_more_than_gaps() -> None:
    """A gap comes with what is behind it: until the next batch that might be gone as well."""
    feed = Feed("e", kept=3)
    reader = feed.read(None)
    await anext(reader)
    for _ in range(5):
        for _ in range(10):
            tell(feed, feed.told + 1)
        gap, *found = await anext(reader)
        assert (gap.data, [event.data for event in found]) == ({"missed": 7}, [feed.told - 2, feed.told - 1, feed.told])


@pytest.mark.parametrize("cursor", ["other-1", "e-3", "e-", "e", "-1", "e-1x", "e-\u0661", "e-1\n", "x" * 10**4])
async def test_a_cursor_that_is_none_of_ours_gives_a_gap_of_unknown_size(cursor: str) -> None:
    """Of another life, from the future, or nonsense; it goes on with the oldest event kept."""
    feed = Feed("e")
    tell(feed, 1)
    tell(feed, 2)
    feed.end()
    gap, *found = await rest(feed.read(cursor))
    assert gap == Event("e-0", "gap", 1.0, None, {"missed": None})
    assert [event.data for event in found] == [1, 2]


async def test_an_event_is_made_once_and_only_if_somebody_reads_it() -> None:
    """All readers get the same one."""
    feed, made = Feed("e"), []
    feed.tell("worker", 1.0, lambda: made.append(1))
    feed.end()
    assert made == []
    assert (await rest(feed.read("")))[0] is (await rest(feed.read("")))[0]
    assert made == [1]


async def test_an_event_wakes_few_readers_an_iteration_and_all_in_the_end() -> None:
    """A thousand of them must not hold up a request."""
    feed = Feed("e")
    readers = [feed.read(None) for _ in range(4 * module.AT_ONCE)]
    for reader in readers:
        await anext(reader)
    coming = [asyncio.ensure_future(anext(reader)) for reader in readers]
    await settle()
    tell(feed, 1)
    woken: list[int] = []
    while sum(woken) < len(readers):
        before = sum(task.done() for task in coming)
        await asyncio.sleep(0)
        woken.append(sum(task.done() for task in coming) - before)
    assert max(woken) <= module.AT_ONCE


async def test_a_reader_that_leaves_leaves_nothing_behind() -> None:
    """However many come and go while nothing happens."""
    feed = Feed("e")
    for _ in range(3):
        reader = feed.read(None)
        await anext(reader)
        waiting = asyncio.ensure_future(anext(reader))
        await settle()
        waiting.cancel()
        await asyncio.wait({waiting})
    assert not feed._waiting
    assert not feed._due


@given(
    steps=st.lists(st.one_of(st.integers(1, 200), st.tuples(st.sampled_from("abc"), st.booleans())), max_size=40),
    kept=st.integers(0, 150),
    told=st.integers(0, 3),
)
async def test_each_reader_sees_every_event_once_and_in_order_or_the_number_it_missed(
    steps: list[int | tuple[str, bool]], kept: int, told: int
) -> None:
    """A number tells so many events; a name takes a batch, and may come back with its cursor as a new reader."""
    feed = Feed("e", kept, told)
    begun = feed.cursor
    cursors: dict[str, str] = dict.fromkeys("abc", begun)
    readers = {name: feed.read(begun) for name in "abc"}
    seen: dict[str, list[Event]] = {name: [] for name in "abc"}
    pending: dict[str, asyncio.Task[list[Event]]] = {}

    async def take(name: str) -> None:
        task = pending.get(name) or asyncio.ensure_future(some(readers[name]))
        await asyncio.wait({task}, timeout=0)
        await settle()
        if not task.done():
            pending[name] = task
            return
        pending.pop(name, None)
        seen[name] += task.result()
        if seen[name]:
            cursors[name] = seen[name][-1].cursor

    for step in steps:
        if isinstance(step, int):
            for _ in range(step):
                tell(feed, feed.told + 1)
            continue
        name, again = step
        await take(name)
        if again and name not in pending:
            readers[name] = feed.read(cursors[name])
    feed.end()
    for name, reader in readers.items():
        if name in pending:
            seen[name] += await pending[name]
        seen[name] += await rest(reader)
        number = told
        for event in seen[name]:
            number += event.data["missed"] if event.kind == "gap" else 1
            assert event.cursor == f"e-{number}"
            assert event.kind == "gap" or event.data == number
        assert number == feed.told
