"""Words that clients give back or make up, in headers and queries: each is one of ours or none, and never a bug."""

import asyncio
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from beeyard.adapters import log_cursor
from beeyard.adapters.log_files import Place
from beeyard.application.feed import Feed
from beeyard.application.tokens import Tokens
from beeyard.domain.errors import Unidentified
from tests.fakes.clock import FakeClock
from tests.fakes.store import FakeStore

texts = st.text() | st.text("bee_0123456789abcdef-=٣ \udcff", max_size=80)


@given(texts, st.integers(0, 3))
@example("e-99999999999999999999", 1)
@example("e-٣", 1)
@example("-1", 1)
def test_any_cursor_of_events_is_a_place_or_a_gap(cursor: str, told: int) -> None:
    """Whoever comes back with nonsense gets what there is, and is told that something may be missing."""

    async def first() -> list[Any]:
        feed = Feed("e")
        for number in range(told):
            feed.tell("master", 0.0, lambda number=number: number)  # type: ignore[misc]
        feed.end()
        return [event async for batch in feed.read(cursor) for event in batch]

    events = asyncio.run(first())
    ours = cursor in ("", *(f"e-{number}" for number in range(told + 1)))
    assert [event.kind for event in events].count("gap") == (not ours)


@given(texts)
@example("////")
@example("AA==")
def test_any_cursor_of_logs_is_places_or_none(cursor: str) -> None:
    """And one of ours is what it was."""
    places = log_cursor.decode(cursor)
    assert places is None or log_cursor.decode(log_cursor.encode(places)) == places
    ours = {log_cursor.key("web", "stdout"): Place(1, 2, 3)}
    assert log_cursor.decode(log_cursor.encode(ours)) == ours


@given(texts)
@example("bee_00000000_" + "A" * 43)
@example("bee_٣0000000_" + "A" * 43)
def test_any_text_is_a_token_or_nobodys(text: str) -> None:
    """Nobody is let in by chance."""

    async def ask() -> str:
        try:
            await Tokens(FakeStore(), FakeClock()).authenticate(text)
        except Unidentified as refused:
            return refused.code
        return "let in"

    assert asyncio.run(ask()) == "token_unknown"
