"""What every store does, by what means ever it keeps things."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beeyard.adapters.stores import STORES
from beeyard.adapters.stores.memory import MemoryStore
from beeyard.domain.errors import BeeyardError, Refused, Unavailable
from beeyard.domain.messages import Exit, Handle
from beeyard.domain.worker import Cause, Death, Running, Worker
from beeyard.ports.store import ANY, KEPT, Commit, Document, Put, Snapshot, Store, StoryEntry
from tests.fakes.store import FakeStore, a_commit, a_worker

OPENERS = {**STORES, "fake": FakeStore.open}
PERSISTENT = ["sqlite"]


@asynccontextmanager
async def opened(kind: str, path: Path) -> AsyncIterator[Store]:
    """A store that is closed again."""
    store = await OPENERS[kind](path)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture(params=OPENERS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    async with opened(request.param, tmp_path / "store") as store:
        yield store


def told(worker: str, number: int) -> StoryEntry:
    """A story entry that tells its number."""
    return StoryEntry(worker, float(number), "down", "up", f"entry {number}", attempt=number, by="an operator")


def death(attempt: int, *lines: str) -> Death:
    """A death of this attempt."""
    return Death(attempt, 5.0, Cause("exit"), Exit(code=3), 1.5, True, "restarted in 1s", pid=7, lines=lines)


async def added(store: Store, *ids: str) -> None:
    """Put new workers, each at revision 1."""
    await store.commit(a_commit(*(Put(a_worker(id), 0, 1) for id in ids)), durable=False)


async def test_a_new_store_is_empty(store: Store) -> None:
    """Nothing was saved, so nothing is loaded."""
    assert await store.load() == Snapshot([], {})
    assert await store.story("a", 10) == []
    assert await store.deaths("a", 10) == []


@pytest.mark.parametrize("durable", [False, True])
async def test_what_was_committed_is_loaded(store: Store, durable: bool) -> None:
    """Workers come back whole, in the order they were added, with their revisions; facts as well."""
    old = a_worker("z", command=["sleep", "1"], env={"A": "1"}, nice=-5, nested=[{"deep": None}])
    running = Running(1, 4, Handle("process", 1, {"pid": 12}, {"http": 8000}), 1.5, 2.5, ready_since=3.5)
    busy = Worker(old.spec, old.wanted, running, attempt=4, failures=(1.0, 2.0), death=death(3, "bye"))
    await store.commit(a_commit(Put(old, 0, 1), Put(a_worker("b"), 0, 7), facts={"boot": "x"}), durable=durable)
    await store.commit(a_commit(Put(busy, 1, 2), Put(a_worker("a"), 0, 1), facts={"boot": "y"}), durable=durable)
    expected = [(busy, 2), (a_worker("b"), 7), (a_worker("a"), 1)]
    assert await store.load() == Snapshot(expected, {"boot": "y"})


async def test_an_empty_commit_changes_nothing(store: Store) -> None:
    """There is nothing to write, and no need to be able to."""
    await added(store, "a")
    await store.commit(a_commit(), durable=True)
    assert await store.load() == Snapshot([(a_worker("a"), 1)], {})


@pytest.mark.parametrize(("expected", "found"), [(0, 1), (2, 1)])
async def test_a_put_over_another_revision_is_refused(store: Store, expected: int, found: int) -> None:
    """The refusal names the worker, the revision that is there and the one that was believed."""
    await added(store, "a")
    with pytest.raises(Refused) as refused:
        await store.commit(a_commit(Put(a_worker("a", new=1), expected, 9)), durable=False)
    assert refused.value.code == "stale_revision"
    assert refused.value.fields == {"worker": "a", "found": found, "expected": expected}
    assert str(refused.value) == f"a is at revision 1 in the store, not at {expected} as its writer believed"
    assert await store.load() == Snapshot([(a_worker("a"), 1)], {})


async def test_a_put_of_a_removed_worker_is_refused(store: Store) -> None:
    """Who believes it is still there has missed its removal; revision 0 adds it anew."""
    await added(store, "a")
    await store.commit(a_commit(removed=["a"]), durable=False)
    with pytest.raises(Refused, match="a is at revision 0 in the store, not at 1"):
        await store.commit(a_commit(Put(a_worker("a"), 1, 2)), durable=False)
    await added(store, "a")
    assert await store.load() == Snapshot([(a_worker("a"), 1)], {})


async def test_a_refused_commit_leaves_nothing_behind(store: Store) -> None:
    """One stale put undoes the whole commit, whatever stands before or after it, and the next one works."""
    await added(store, "a", "b", "c")
    await store.commit(a_commit(story=[told("c", 1)], deaths=[("c", death(1))]), durable=False)
    before = await store.load()
    with pytest.raises(Refused):
        await store.commit(
            a_commit(
                Put(a_worker("a", new=1), 1, 2),
                Put(a_worker("b", new=1), 5, 6),
                Put(a_worker("d"), 0, 1),
                removed=["c"],
                story=[told("a", 1)],
                deaths=[("a", death(1))],
                facts={"boot": "x"},
            ),
            durable=False,
        )
    assert await store.load() == before
    assert (await store.story("a", 9), await store.deaths("a", 9)) == ([], [])
    assert (await store.story("c", 9), await store.deaths("c", 9)) == ([told("c", 1)], [death(1)])
    await store.commit(a_commit(Put(a_worker("a", new=1), 1, 2), story=[told("a", 2)]), durable=False)
    assert await store.story("a", 9) == [told("a", 2)]


async def test_any_overwrites_what_is_there_and_adds_what_is_not(store: Store) -> None:
    """The snapshot after a time without a store doesn't know what got through."""
    await added(store, "a", "b")
    await store.commit(a_commit(Put(a_worker("a", new=1), ANY, 40), Put(a_worker("c"), ANY, 5)), durable=True)
    assert await store.load() == Snapshot([(a_worker("a", new=1), 40), (a_worker("b"), 1), (a_worker("c"), 5)], {})


async def test_a_worker_may_be_written_twice_in_one_commit(store: Store) -> None:
    """The second put sees the revision that the first one made."""
    await store.commit(a_commit(Put(a_worker("a"), 0, 1), Put(a_worker("a", new=1), 1, 2)), durable=False)
    assert await store.load() == Snapshot([(a_worker("a", new=1), 2)], {})


async def test_removal_takes_story_and_deaths_along(store: Store) -> None:
    """A worker of the same name that comes later, even in the same commit, begins with a clean sheet, at the end."""
    await added(store, "a", "b")
    await store.commit(a_commit(story=[told("a", 1)], deaths=[("a", death(1))]), durable=False)
    again = a_commit(Put(a_worker("a"), 0, 1), removed=["a", "never there"], story=[told("a", 2)])
    await store.commit(again, durable=False)
    assert await store.load() == Snapshot([(a_worker("b"), 1), (a_worker("a"), 1)], {})
    assert (await store.story("a", 9), await store.deaths("a", 9)) == ([told("a", 2)], [])


async def test_the_past_of_a_worker_that_is_not_there_is_dropped(store: Store) -> None:
    """Nobody could ever remove it."""
    await store.commit(a_commit(story=[told("a", 1)], deaths=[("a", death(1))]), durable=False)
    await added(store, "a")
    assert (await store.story("a", 9), await store.deaths("a", 9)) == ([], [])


async def test_a_story_keeps_its_newest_entries_oldest_first(store: Store) -> None:
    """The limit takes from the newest end, KEPT are kept, and no worker's story costs another one its own."""
    await added(store, "a", "b")
    await store.commit(a_commit(story=[told("b", 0)]), durable=False)
    for first in range(0, 2 * KEPT + 50, 50):
        await store.commit(a_commit(story=[told("a", n) for n in range(first, first + 50)]), durable=False)
    end = 2 * KEPT + 50
    assert await store.story("a", 3) == [told("a", n) for n in range(end - 3, end)]
    assert await store.story("a", 10 * KEPT) == [told("a", n) for n in range(end - KEPT, end)]
    assert await store.story("a", 0) == []
    assert await store.story("b", 5) == [told("b", 0)]


async def test_deaths_keep_the_newest_newest_first(store: Store) -> None:
    """The limit takes from the newest end, and KEPT are kept, however many there were."""
    await added(store, "a", "b")
    await store.commit(a_commit(deaths=[("b", death(1))]), durable=False)
    for last in range(1, KEPT + 75):
        await store.commit(a_commit(deaths=[("a", death(last))]), durable=False)
        newest = [death(n) for n in range(last, max(last - KEPT, 0), -1)]
        assert await store.deaths("a", 10 * KEPT) == newest
    assert await store.deaths("a", 2) == newest[:2]
    assert await store.deaths("a", 0) == []
    assert await store.deaths("b", 5) == [death(1)]


async def test_a_death_written_again_replaces_the_first(store: Store) -> None:
    """The last lines come later than the exit, perhaps later than the next death."""
    await added(store, "a")
    await store.commit(a_commit(deaths=[("a", death(1)), ("a", death(2))]), durable=False)
    await store.commit(a_commit(deaths=[("a", death(1, "Traceback", "boom"))]), durable=False)
    assert await store.deaths("a", 9) == [death(2), death(1, "Traceback", "boom")]


async def test_commits_asked_for_at_once_are_done_in_order(store: Store) -> None:
    """Each sees the revision that the one before it made."""
    await added(store, "a")
    async with asyncio.TaskGroup() as tasks:
        for revision in range(1, 30):
            put = Put(a_worker("a", turn=revision), revision, revision + 1)
            tasks.create_task(store.commit(a_commit(put), durable=revision % 5 == 0))
    assert await store.load() == Snapshot([(a_worker("a", turn=29), 30)], {})


async def test_a_closed_store_says_so(store: Store) -> None:
    """Closing twice is harmless; whoever comes later is told, not left waiting."""
    await store.close()
    await store.close()
    with pytest.raises(Unavailable, match="the store is closed"):
        await store.commit(a_commit(facts={"boot": "x"}), durable=False)
    reads = store.load(), store.story("a", 1), store.deaths("a", 1), store.documents("job"), store.document("job", "1")
    for late in reads:
        with pytest.raises(Unavailable, match="the store is closed"):
            await late


# --- documents ------------------------------------------------------------------------------------------------------


def jobs(*keys: str) -> list[Document]:
    """Documents of kind `job`, each with its key for a body."""
    return [Document("job", key, key.encode()) for key in keys]


async def filed(store: Store, *documents: Document) -> None:
    """Commit these documents."""
    await store.commit(a_commit(documents=documents), durable=False)


async def test_no_document_is_there_that_nobody_wrote(store: Store) -> None:
    """Nothing is listed, and one asked for is None."""
    assert await store.documents("job") == []
    assert await store.document("job", "1") is None


@pytest.mark.parametrize("body", [b"", b"\x00", bytes(range(256)) * 300, '"é"'.encode()])
async def test_a_document_comes_back_byte_for_byte(store: Store, body: bytes) -> None:
    """Whatever the bytes are, an empty body is not the same as none."""
    await filed(store, Document("job", "1", body))
    assert await store.document("job", "1") == body
    assert await store.documents("job") == [Document("job", "1", body)]


async def test_a_document_written_again_is_replaced(store: Store) -> None:
    """Within one commit as well: the last one stands."""
    await filed(store, Document("job", "1", b"old"))
    await filed(store, Document("job", "1", b"new"))
    assert await store.documents("job") == [Document("job", "1", b"new")]
    await filed(store, Document("job", "1", b"newer"), Document("job", "1", b"newest"))
    assert await store.documents("job") == [Document("job", "1", b"newest")]


async def test_a_document_without_a_body_is_deleted(store: Store) -> None:
    """Whether it was there or not; and what comes after in the same commit is written."""
    await filed(store, *jobs("1", "2", "3"))
    await filed(store, Document("job", "1", None), Document("job", "never there", None))
    assert await store.documents("job") == jobs("3", "2")
    assert await store.document("job", "1") is None
    await filed(store, Document("job", "2", None), Document("job", "2", b"again"))
    assert await store.document("job", "2") == b"again"


async def test_documents_come_last_key_first(store: Store) -> None:
    """Keys are words, not numbers, and sort by code point; `before` and `limit` page through them."""
    await filed(store, *jobs("b", "10", "", "2", "é", "a", "B", "\U0001f41d", "ab"))
    newest_first = jobs("\U0001f41d", "é", "b", "ab", "a", "B", "2", "10", "")
    assert await store.documents("job") == newest_first
    assert await store.documents("job", limit=3) == newest_first[:3]
    assert await store.documents("job", before="b") == newest_first[3:]
    assert await store.documents("job", before="aa", limit=2) == newest_first[4:6]
    assert await store.documents("job", limit=100) == newest_first
    assert await store.documents("job", before="") == []
    assert await store.documents("job", limit=0) == await store.documents("job", limit=-1) == []


async def test_kinds_of_documents_know_nothing_of_each_other(store: Store) -> None:
    """The same key in another kind is another document, for reading, deleting and expiry."""
    token = Document("token", "1", b"a token")
    await filed(store, *jobs("1", "2"), token)
    assert await store.documents("token") == [token]
    await store.commit(a_commit(documents=[Document("job", "1", None)], expired=[("job", "9")]), durable=False)
    assert (await store.documents("job"), await store.documents("token")) == ([], [token])
    assert await store.document("token", "1") == b"a token"
    assert await store.documents("") == []


async def test_expired_documents_go_before_new_ones_come(store: Store) -> None:
    """Those whose key sorts before the one named; so one written in the same commit stays, however old its key."""
    await filed(store, *jobs("1", "2", "3", "4"))
    await store.commit(a_commit(documents=jobs("1"), expired=[("job", "3"), ("token", "9")]), durable=False)
    assert await store.documents("job") == jobs("4", "3", "1")


async def test_a_refused_commit_leaves_no_document(store: Store) -> None:
    """Nothing is written, deleted or expired by a commit that a stale put refuses."""
    await added(store, "a")
    await filed(store, *jobs("1", "2", "3"))
    with pytest.raises(Refused):
        await store.commit(
            a_commit(
                Put(a_worker("a", new=1), 5, 6),
                documents=[*jobs("4"), Document("job", "2", None), Document("job", "3", b"changed")],
                expired=[("job", "2")],
            ),
            durable=True,
        )
    assert await store.documents("job") == jobs("3", "2", "1")


async def test_documents_outlive_the_workers_of_their_commit(store: Store) -> None:
    """No removal of a worker touches them."""
    await store.commit(a_commit(Put(a_worker("a"), 0, 1), documents=jobs("a")), durable=False)
    await store.commit(a_commit(removed=["a"]), durable=False)
    assert await store.documents("job") == jobs("a")


@pytest.mark.parametrize("kind", PERSISTENT)
@pytest.mark.parametrize("durable", [False, True])
async def test_documents_survive_reopening(kind: str, durable: bool, tmp_path: Path) -> None:
    """They are there for the next process, and so is what became of them."""
    async with opened(kind, tmp_path / "store") as store:
        await store.commit(a_commit(documents=jobs("1", "2", "3")), durable=durable)
        gone = a_commit(documents=[Document("job", "2", None)], expired=[("job", "2")])
        await store.commit(gone, durable=durable)
    async with opened(kind, tmp_path / "store") as store:
        assert await store.documents("job") == jobs("3")


# --- every store does what memory does ------------------------------------------------------------------------------

ids = st.sampled_from(["a", "b", "web.1"])
texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8)
entries = st.builds(StoryEntry, ids, st.floats(0, 1e10), texts, texts, texts, st.integers(0, 9), texts)
stories = st.lists(st.tuples(entries, st.sampled_from([1, 1, 2, KEPT - 1])), max_size=3)
ends = st.builds(death, st.integers(1, 50), texts)
kinds = st.sampled_from(["job", "token"])
documents = st.builds(Document, kinds, texts, st.none() | st.binary(max_size=8))


@st.composite
def commits(draw: st.DrawFn) -> Commit:
    """Puts that fit, mostly; bursts of story; attempts in any order."""
    revisions = st.sampled_from([0, 0, 1, 1, 2, ANY])
    puts = [
        Put(a_worker(draw(ids), text=draw(texts)), draw(revisions), draw(st.sampled_from([1, 1, 2])))
        for _ in range(draw(st.integers(0, 3)))
    ]
    return a_commit(
        *puts,
        removed=draw(st.lists(ids, max_size=1)),
        story=[entry for entry, times in draw(stories) for _ in range(times)],
        deaths=draw(st.lists(st.tuples(ids, ends), max_size=3)),
        facts=draw(st.dictionaries(texts, texts, max_size=2)),
        documents=draw(st.lists(documents, max_size=3)),
        expired=draw(st.lists(st.tuples(kinds, texts), max_size=1)),
    )


async def outcome(store: Store, commit: Commit) -> tuple[str, dict[str, object]] | None:
    """How the store refused it, if it did."""
    try:
        await store.commit(commit, durable=False)
    except BeeyardError as error:
        return error.code, error.fields
    return None


async def seen(store: Store) -> object:
    """All that a reader can see."""
    pasts = [(await store.story(id, KEPT), await store.deaths(id, KEPT)) for id in ("a", "b", "web.1")]
    filed = [
        (await store.documents(kind), await store.documents(kind, before="K", limit=1)) for kind in ("job", "token")
    ]
    return await store.load(), pasts, filed


@pytest.mark.parametrize("kind", [kind for kind in STORES if kind != "memory"])
@settings(max_examples=60, deadline=None)
@given(history=st.lists(commits(), max_size=8))
def test_any_history_ends_as_it_does_in_memory(kind: str, history: list[Commit]) -> None:
    """The same commits are refused for the same reason, and readers see the same; also after it was opened again."""

    async def compare(path: Path) -> None:
        memory = MemoryStore()
        async with opened(kind, path) as store:
            for commit in history:
                assert await outcome(store, commit) == await outcome(memory, commit)
                assert await seen(store) == await seen(memory)
        if kind in PERSISTENT:
            async with opened(kind, path) as store:
                assert await seen(store) == await seen(memory)

    with TemporaryDirectory() as folder:
        asyncio.run(compare(Path(folder, "store")))
