"""Tokens, sessions and links over a store among fakes."""

import asyncio

import pytest

from beeyard.application.tokens import LINK, REGISTRATION, SESSION, SHOWN, USED, Tokens
from beeyard.domain.access import EVERYTHING, Grant, Need, refusal
from beeyard.domain.errors import NotFound, Refused, Unavailable, Unidentified
from tests.fakes.clock import FakeClock, settle
from tests.fakes.store import FakeStore

DAY = 86400.0


class Desk:
    """Tokens of one master after the other, over one store."""

    def __init__(self) -> None:
        self.clock, self.store = FakeClock(), FakeStore()

    async def tokens(self) -> Tokens:
        """As the next master has them."""
        made = Tokens(self.store, self.clock)
        await made.wake()
        return made


@pytest.fixture
async def desk() -> Desk:
    """Empty."""
    return Desk()


async def test_a_token_is_known_again_by_the_next_master(desk: Desk) -> None:
    """With what it allows, and nothing more."""
    grant = Grant("operator", workers=("web",))
    made, text = await (await desk.tokens()).create("ci", grant, "root", DAY)
    found = await (await desk.tokens()).authenticate(text)
    assert (found.id, found.name, found.grant, found.expires) == (made.id, "ci", grant, made.created + DAY)


async def test_the_store_never_sees_the_token(desk: Desk) -> None:
    """Whoever reads the database can't ask for anything with it."""
    _, text = await (await desk.tokens()).create("ci", EVERYTHING, "root", DAY)
    secret = text.split("_", 2)[2]
    documents = await desk.store.documents("token")
    assert len(documents) == 1
    assert all(secret.encode() not in (document.body or b"") for document in documents)


@pytest.mark.parametrize("change", ["", "x", "bee_00000000_", "last", "id", "two lines", "\udcff"])
async def test_what_is_no_token_is_nobody(desk: Desk, change: str) -> None:
    """With one and the same error, whatever is wrong."""
    tokens = await desk.tokens()
    _, text = await tokens.create("ci", EVERYTHING, "root", DAY)
    wrong = {
        "last": text[:-1] + ("A" if text[-1] != "A" else "B"),
        "id": "bee_" + ("0" if text[4] != "0" else "1") + text[5:],
        "two lines": text + "\n",
    }.get(change, change)
    with pytest.raises(Unidentified) as caught:
        await tokens.authenticate(wrong)
    assert (caught.value.code, str(caught.value)) == ("token_unknown", "this token is not known here")


async def test_a_token_expires(desk: Desk) -> None:
    """To the moment, and then it is gone."""
    tokens = await desk.tokens()
    _, text = await tokens.create("ci", EVERYTHING, "root", DAY)
    await desk.clock.run(DAY - 1)
    await tokens.authenticate(text)
    await desk.clock.run(1)
    assert tokens.all() == []
    with pytest.raises(Unidentified, match="this token has expired"):
        await tokens.authenticate(text)
    with pytest.raises(Unidentified, match="not known"):
        await tokens.authenticate(text)


async def test_a_token_is_good_until_it_expires_or_is_taken_back(desk: Desk) -> None:
    """What is asked of it all the while that a stream flows."""
    tokens = await desk.tokens()
    first, _ = await tokens.create("one", EVERYTHING, "root", DAY)
    second, _ = await tokens.create("two", EVERYTHING, "root", DAY)
    assert tokens.good(first.id)
    await tokens.revoke("one")
    assert not tokens.good(first.id)
    await desk.clock.run(DAY)
    assert not tokens.good(second.id)


async def test_a_token_taken_back_is_good_for_nothing(desk: Desk) -> None:
    """By name or by id; for the next master as well."""
    tokens = await desk.tokens()
    first, one = await tokens.create("one", EVERYTHING, "root", DAY)
    _, two = await tokens.create("two", EVERYTHING, "root", DAY)
    await tokens.revoke(first.id)
    await tokens.revoke("two")
    for holder in (tokens, await desk.tokens()):
        for text in (one, two):
            with pytest.raises(Unidentified):
                await holder.authenticate(text)
    with pytest.raises(NotFound, match="there is no token two"):
        await tokens.revoke("two")


async def test_what_is_taken_back_is_so_at_once_even_if_it_cant_be_saved(desk: Desk) -> None:
    """Whoever asked hears that it has to be asked again."""
    tokens = await desk.tokens()
    _, text = await tokens.create("ci", EVERYTHING, "root", DAY)
    desk.store.failing = "full"
    with pytest.raises(Unavailable):
        await tokens.revoke("ci")
    with pytest.raises(Unidentified):
        await tokens.authenticate(text)


async def test_a_store_that_cant_be_written_locks_nobody_out(desk: Desk) -> None:
    """Noting that a token was used is no reason to refuse it."""
    tokens = await desk.tokens()
    _, text = await tokens.create("ci", EVERYTHING, "root", DAY)
    desk.store.failing = "full"
    assert (await tokens.authenticate(text)).used is not None


async def test_a_token_that_could_not_be_saved_is_none(desk: Desk) -> None:
    """What was never given out need not be known."""
    tokens = await desk.tokens()
    desk.store.failing = "full"
    with pytest.raises(Unavailable):
        await tokens.create("ci", EVERYTHING, "root", DAY)
    assert tokens.all() == []


async def test_two_tokens_of_one_name_would_be_mistaken_for_each_other(desk: Desk) -> None:
    """Until the first one is gone."""
    tokens = await desk.tokens()
    await tokens.create("ci", EVERYTHING, "root", DAY)
    with pytest.raises(Refused, match="there is a token ci already"):
        await tokens.create("ci", EVERYTHING, "root", DAY)
    await desk.clock.run(DAY)
    await tokens.create("ci", EVERYTHING, "root", DAY)


async def test_the_use_of_a_token_is_noted_once_an_hour(desk: Desk) -> None:
    """A token asked a thousand times a second must not become a thousand writes."""
    tokens = await desk.tokens()
    _, text = await tokens.create("ci", EVERYTHING, "root", DAY)
    used = (await tokens.authenticate(text)).used
    await desk.clock.run(USED - 1)
    assert (await tokens.authenticate(text)).used == used
    await desk.clock.run(1)
    assert (await tokens.authenticate(text)).used == desk.clock.now().wall


async def test_a_link_opens_one_session(desk: Desk) -> None:
    """And is good for nothing else, before or after."""
    tokens = await desk.tokens()
    _, link = await tokens.create("root", EVERYTHING, "root", LINK, "link")
    with pytest.raises(Unidentified):
        await tokens.authenticate(link)
    session, text = await tokens.exchange(link)
    assert (session.kind, session.expires) == ("session", desk.clock.now().wall + SESSION)
    assert (await tokens.authenticate(text, ("session",))).grant == EVERYTHING
    with pytest.raises(Unidentified):
        await tokens.authenticate(text)
    for holder in (tokens, await desk.tokens()):
        with pytest.raises(Unidentified):
            await holder.exchange(link)


async def test_a_link_used_twice_at_once_opens_one_session(desk: Desk) -> None:
    """However slow the store is."""
    tokens = await desk.tokens()
    _, link = await tokens.create("root", EVERYTHING, "root", LINK, "link")
    opened = await asyncio.gather(tokens.exchange(link), tokens.exchange(link), return_exceptions=True)
    assert sorted(type(one).__name__ for one in opened) == ["Unidentified", "tuple"]


async def test_what_has_expired_is_swept_out(desk: Desk) -> None:
    """When the next token is made: the store does not grow with logins."""
    tokens = await desk.tokens()
    for _ in range(5):
        await tokens.create("root", EVERYTHING, "root", LINK, "link")
    await desk.clock.run(LINK)
    await tokens.create("ci", EVERYTHING, "root", DAY)
    assert len(await desk.store.documents("token")) == 1


async def test_a_registration_is_used_once_and_its_session_is_known_to_the_next_master(desk: Desk) -> None:
    """All invitations of an attempt are used up by one; which worker and attempt it is, the token says."""
    tokens = await desk.tokens()
    first, second = await tokens.invite("web", 3), await tokens.invite("web", 3)
    assert (await tokens.authenticate(second, SHOWN)).grant == Grant(workers=("web",), only="register")
    _, text = await tokens.register("web", 3)
    await tokens.authenticate(text, SHOWN)
    for tried in (first, second):
        with pytest.raises(Unidentified) as refused:
            await (await desk.tokens()).authenticate(tried, SHOWN)
        assert refused.value.code == "registration_used"
    with pytest.raises(Unidentified):
        await tokens.register("web", 3)
    found = await (await desk.tokens()).authenticate(text, SHOWN)
    assert (found.attempt, found.grant, found.expires) == (("web", 3), Grant(workers=("web",), only="report"), None)


async def test_who_may_wait_can_register_after_that(desk: Desk) -> None:
    """Its time begins when it began at last."""
    tokens = await desk.tokens()
    at_once, later = await tokens.invite("web", 1), await tokens.invite("web", 1, DAY)
    await desk.clock.run(DAY + REGISTRATION - 1)
    assert (await _known(tokens, at_once), await _known(tokens, later)) == (False, True)
    await desk.clock.run(1)
    assert not await _known(tokens, later)


async def test_who_got_no_answer_registers_again(desk: Desk) -> None:
    """Also at the next master, until the session is used: there is only ever one, the newest, in memory and store."""
    tokens = await desk.tokens()
    invited = await tokens.invite("web", 1)
    _, lost = await tokens.register("web", 1)
    tokens = await desk.tokens()
    await tokens.authenticate(invited, SHOWN)
    done = await asyncio.gather(*(tokens.register("web", 1) for _ in range(2)))
    texts = [lost, *(text for _, text in done)]
    for living in (tokens, await desk.tokens()):
        known = [text for text in texts if await _known(living, text)]
        assert len(known) == 1
    with pytest.raises(Unidentified) as refused:
        await tokens.register("web", 1)
    assert refused.value.code == "registration_used"


async def _known(tokens: Tokens, text: str) -> bool:
    """Whether it is good for anything."""
    try:
        await tokens.authenticate(text, SHOWN)
    except Unidentified:
        return False
    return True


async def test_a_registration_that_could_not_be_saved_was_none(desk: Desk) -> None:
    """All of it is saved, or nothing: whoever is told to ask again can."""
    tokens = await desk.tokens()
    invited = await tokens.invite("web", 1)
    desk.store.failing = "full"
    with pytest.raises(Unavailable):
        await tokens.register("web", 1)
    desk.store.failing = ""
    assert [token.kind for token in tokens.all()] == ["registration"]
    for living in (tokens, await desk.tokens()):
        await living.authenticate(invited, SHOWN)
    commits = len(desk.store.commits)
    await tokens.register("web", 1)
    assert len(desk.store.commits) == commits + 1


async def test_a_session_that_was_taken_back_is_not_to_be_had_again(desk: Desk) -> None:
    """Not by the registration that it was had for."""
    tokens = await desk.tokens()
    invited = await tokens.invite("web", 1)
    session, _ = await tokens.register("web", 1)
    await tokens.revoke(session.id)
    assert not await _known(tokens, invited)
    with pytest.raises(Unidentified):
        await tokens.register("web", 1)


async def test_an_attempt_that_ends_while_it_registers_leaves_nothing(desk: Desk) -> None:
    """Its session would be good for ever."""
    tokens = await desk.tokens()
    await tokens.invite("web", 1)
    desk.store.gate = asyncio.Event()
    registering = asyncio.ensure_future(tokens.register("web", 1))
    forgetting = asyncio.ensure_future(tokens.forget("web", 1))
    await settle()
    desk.store.gate.set()
    await asyncio.gather(registering, forgetting)
    assert tokens.all() == []
    assert await desk.store.documents("token") == []


async def test_a_registration_is_good_for_five_minutes(desk: Desk) -> None:
    """To the second; a session is good as long as its attempt."""
    tokens = await desk.tokens()
    text = await tokens.invite("web", 1)
    desk.clock.advance(REGISTRATION - 1)
    await tokens.authenticate(text, SHOWN)
    desk.clock.advance(1)
    with pytest.raises(Unidentified) as expired:
        await tokens.authenticate(text, SHOWN)
    assert expired.value.code == "token_expired"


async def test_what_an_attempt_had_goes_with_it_and_with_nobody_else(desk: Desk) -> None:
    """Also for the next master; of another worker, and of a later attempt, all stays."""
    tokens = await desk.tokens()
    gone = [await tokens.invite("web", 1), await tokens.invite("web", 2)]
    kept = [await tokens.invite("web", 3), await tokens.invite("web.2", 1)]
    gone.append((await tokens.register("web", 2))[1])
    await tokens.forget("web", 2)
    for living in (tokens, await desk.tokens()):
        for text in kept:
            await living.authenticate(text, SHOWN)
        for text in gone:
            with pytest.raises(Unidentified) as refused:
                await living.authenticate(text, SHOWN)
            assert refused.value.code == "token_unknown"


async def test_no_grant_of_a_worker_reaches_beyond_it(desk: Desk) -> None:
    """Not even to what every viewer may; and no grant of people's reaches what is a worker's alone."""
    worker = Grant(workers=("web",), only="report")
    assert refusal(worker, Need("viewer", workers=["web"])) == "this is for report alone"
    assert refusal(worker, Need("viewer", only="register")) == "this is for report alone"
    assert refusal(worker, Need("viewer", only="report")) == ""
    assert refusal(EVERYTHING, Need("viewer", only="report")) == "only a worker that was told to register may"
    assert not worker.within(EVERYTHING)
