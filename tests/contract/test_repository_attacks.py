"""Each way to cheat the reader of a signed repository, over a real web server, and what is said of it.

The names are those of the TUF specification. Whoever cheats here has the server, and where a test says so, keys.
"""

import asyncio
import fcntl
import json
import re
import ssl
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from aiohttp import web
from tuf.api.metadata import DelegatedRole, Metadata, MetaFile, Root, TargetFile, Targets, Timestamp
from tuf.ngclient._internal import trusted_metadata_set

from beeyard.adapters.repositories import layout
from beeyard.adapters.repositories.publishing import keys, publish, sign
from beeyard.adapters.repositories.publishing.workshop import utc
from beeyard.adapters.repositories.tuf import TufRepository
from beeyard.adapters.repositories.web import Limits
from beeyard.domain.errors import BeeyardError, Invalid, Rejected, Unavailable, Untrusted
from beeyard.domain.sources import Credentials
from beeyard.ports.repository import Offer
from tests.end_to_end.calls import certificate
from tests.repositories import Answer, Server, Yard, serving
from tests.yard import PATIENCE

TOMORROW = timedelta(days=1)
FIRST, SECOND = ("caddy", "2.11.4"), ("caddy", "2.11.7")


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """One package in one version, published."""
    return Yard(tmp_path).published(FIRST)


@pytest.fixture
async def server(yard: Yard) -> AsyncIterator[Server]:
    """Its web server."""
    async with serving(yard.folder) as server:
        yield server


async def refused(reader: TufRepository, code: str, kind: type[BeeyardError] = Untrusted) -> str:
    """A refresh fails for this reason, and nothing it knew has changed; the text."""
    before = reader._roles
    with pytest.raises(kind) as caught:
        await reader.refresh()
    assert caught.value.code == code, str(caught.value)
    assert reader._roles is before
    assert caught.value.hint
    return str(caught.value)


async def versions(reader: TufRepository) -> list[str]:
    """What it offers now."""
    await reader.refresh()
    return [offer.version for offer in await reader.offers("caddy")]


async def test_rollback_to_an_old_timestamp(yard: Yard, server: Server) -> None:
    """The whole repository, as it was: every signature is right."""
    reader, old = yard.reader(server.url), yard.copy("old")
    yard.published(SECOND)
    assert await versions(reader) == ["2.11.4", "2.11.7"]
    server.folder = old
    assert (await refused(reader, "repository_rolled_back")).startswith("hive: timestamp.json is older than what was ")


async def test_rollback_survives_a_restart(yard: Yard, server: Server) -> None:
    """What was seen is remembered in the cache, not only by the process."""
    old = yard.copy("old")
    yard.published(SECOND)
    await yard.reader(server.url).refresh()
    server.folder = old
    await refused(yard.reader(server.url), "repository_rolled_back")


async def test_rollback_of_the_snapshot(yard: Yard, server: Server) -> None:
    """With the key of the timestamp: a newer one that names an older snapshot."""
    reader, before = yard.reader(server.url), yard.workshop.file("snapshot")
    assert before
    yard.published(SECOND)
    await reader.refresh()
    meta = MetaFile.from_data(1, before.read_bytes(), ["sha256"])
    yard.forge("timestamp", Timestamp(9, expires=utc() + TOMORROW, snapshot_meta=meta))
    text = await refused(reader, "repository_rolled_back")
    assert text.endswith("leads to what is older than what was there before: snapshot 1, and snapshot 2 was seen")


async def test_rollback_of_an_origin(yard: Yard, server: Server) -> None:
    """With the keys of snapshot and timestamp: new ones that name an older version of what an origin signed."""
    reader, before = yard.reader(server.url), yard.snapshot().meta["acme.json"]
    yard.published(SECOND)
    await reader.refresh()
    snapshot = yard.snapshot()
    snapshot.version += 1
    snapshot.meta["acme.json"] = before
    yard.forge_state(snapshot, 9)
    text = await refused(reader, "repository_rolled_back")
    older = "leads to what is older than what was there before"
    assert text == f"hive: 3.snapshot.json {older}: what acme signed as number 2, and number 3 was seen"


async def test_an_origin_that_vanishes(yard: Yard, server: Server) -> None:
    """With the same keys: a snapshot that leaves an origin out."""
    reader = yard.reader(server.url)
    await reader.refresh()
    snapshot = yard.snapshot()
    snapshot.version += 1
    del snapshot.meta["acme.json"]
    yard.forge_state(snapshot, 9)
    text = await refused(reader, "repository_wrong")
    assert text == "hive: 2.snapshot.json leaves out acme, which was there before"


async def test_freeze(tmp_path: Path) -> None:
    """Nothing newer comes; what there is was right, and is out of date."""
    yard = Yard(tmp_path, age=timedelta(days=20)).published(FIRST)
    async with serving(yard.folder) as server:
        text = await refused(yard.reader(server.url), "repository_expired")
    assert re.fullmatch(r"hive is out of date: timestamp\.json was good until \d+-\d\d-\d\d \d\d:\d\d UTC", text)


async def test_freeze_is_noticed_by_a_reader_that_lives_long(
    yard: Yard, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each refresh judges by the time it is then, also where nothing has changed."""
    reader = yard.reader(server.url)
    assert await versions(reader) == ["2.11.4"]

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(days=8)

    stand_in = SimpleNamespace(datetime=Later, timezone=trusted_metadata_set.datetime.timezone)
    monkeypatch.setattr(trusted_metadata_set, "datetime", stand_in)
    await refused(reader, "repository_expired")


async def test_an_origin_out_of_date_is_noticed_although_nothing_changed(yard: Yard, server: Server) -> None:
    """Its index is kept, its end is not overlooked."""
    reader = yard.reader(server.url)
    await reader.refresh()
    assert reader._roles
    reader._roles["acme"] = reader._roles["acme"]._replace(expires=datetime.now(UTC) - TOMORROW)
    before = reader._roles["acme"]
    await reader.refresh()  # the real one is good for a year: it was read again, not taken from memory
    assert reader._roles["acme"].expires > before.expires


async def test_mix_and_match(yard: Yard, server: Server) -> None:
    """The newest state, but an origin's file is an older one."""
    old = yard.workshop.file("acme")
    assert old
    yard.published(SECOND)
    new = yard.workshop.file("acme")
    assert new
    new.write_bytes(old.read_bytes())
    with pytest.raises(Untrusted) as caught:
        await versions(yard.reader(server.url))
    assert caught.value.code == "repository_mixed"
    assert str(caught.value).startswith(f"hive: {new.name} does not belong to the state that was signed: it ")


@pytest.mark.parametrize("path", ["metadata/timestamp.json", "metadata/2.root.json", "metadata/1.snapshot.json"])
async def test_endless_data(yard: Yard, server: Server, path: str) -> None:
    """It ends where it should have, not where memory does."""
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b" " * 65536)
            sent += 65536

    server.answers[path] = endless
    text = await refused(yard.reader(server.url), "repository_endless")
    assert text.startswith(f"hive: {path} is longer than the")
    assert sent < 32 * 2**20  # what fits into the buffers between us


async def test_slow_retrieval(yard: Yard, server: Server) -> None:
    """A byte now and then is never silence, and never enough."""

    async def trickle(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(100):
            await answer.write(b" ")
            await asyncio.sleep(0.01)
        return answer

    server.answers["metadata/timestamp.json"] = trickle
    limits = Limits(total=600, answer=600, grace=0.05, rate=4096)
    reader = TufRepository("hive", server.url, yard.pinned(), yard.home / "cache", limits=limits)
    text = await refused(reader, "repository_slow", Unavailable)
    assert text == "hive: metadata/timestamp.json came too slowly and was cut off"


@pytest.mark.parametrize("limits", [Limits(answer=0.05), Limits(total=0.05)], ids=["answer", "total"])
async def test_a_server_that_never_answers(yard: Yard, server: Server, limits: Limits) -> None:
    """Neither the head of an answer nor everything together may take for ever."""
    over = asyncio.Event()

    async def silence(request: web.Request) -> web.StreamResponse:
        await over.wait()
        return web.Response()

    server.answers["*"] = silence
    reader = TufRepository("hive", server.url, yard.pinned(), yard.home / "cache", limits=limits)
    try:
        await refused(reader, "repository_slow", Unavailable)
    finally:
        over.set()


async def test_a_body_cut_short(yard: Yard, server: Server) -> None:
    """A connection that breaks is an outage, and no metadata."""

    async def cut(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "1000"})
        await answer.prepare(request)
        await answer.write(b"{")
        assert request.transport
        request.transport.close()
        return answer

    server.answers["metadata/timestamp.json"] = cut
    await refused(yard.reader(server.url), "repository_unreachable", Unavailable)


async def test_wrong_key(yard: Yard, server: Server, tmp_path: Path) -> None:
    """A repository that is all right in itself, and not the one whose root was pinned."""
    server.folder = Yard(tmp_path / "other").published(FIRST).folder
    text = await refused(yard.reader(server.url), "repository_signature")
    assert text.startswith("hive: timestamp.json is not signed by enough of those who may")


async def test_a_pinned_root_that_is_none(yard: Yard, server: Server) -> None:
    """The operator's own file is wrong: theirs to mend."""
    reader = TufRepository("hive", server.url, b"{}", yard.home / "cache")
    await refused(reader, "repository_root", Invalid)


async def test_fast_forward_and_recovery(yard: Yard, server: Server) -> None:
    """With both online keys: versions so high that no honest one comes after, until the root names new keys."""
    reader = yard.reader(server.url)
    snapshot = yard.snapshot()
    snapshot.version = 2**31
    yard.forge_state(snapshot, 2**31)
    await reader.refresh()
    (yard.folder / "metadata" / f"{2**31}.snapshot.json").unlink()
    (yard.folder / "metadata" / "timestamp.json").unlink()
    yard.published(SECOND)
    await refused(reader, "repository_rolled_back")
    sign(yard.workshop, yard.root_keys, rotate=["snapshot", "timestamp"])
    publish(yard.workshop)
    assert await versions(reader) == ["2.11.4", "2.11.7"]


def next_root(yard: Yard) -> Root:
    """The one after the newest."""
    root = yard.workshop.root()
    assert root
    root.version += 1
    return root


async def test_root_rotation_needs_the_threshold_of_old_keys_and_of_new(tmp_path: Path) -> None:
    """One of 2-of-3 keys is replaced: old and new keys have to sign, two each."""
    yard = Yard(tmp_path, threshold=2, root_keys=3).published(FIRST)
    old = [keys.load(path) for path in yard.root_keys]
    new = keys.create(tmp_path / "offline" / "new.key")
    async with serving(yard.folder) as server:
        reader = yard.reader(server.url)
        await reader.refresh()
        for signers in ([old[0]], [old[0], old[2]], [new, old[1]], [new, keys.create(tmp_path / "thief.key")]):
            root = next_root_without(yard, old[0].public_key.keyid, new)
            file = yard.folder / "metadata" / "2.root.json"
            yard.forge("root", root, *signers)
            await refused(reader, "repository_signature")
            file.unlink()
        yard.forge("root", next_root_without(yard, old[0].public_key.keyid, new), old[0], old[1], new)
        assert await versions(reader) == ["2.11.4"]
        assert (tmp_path / "cache" / "hive" / "metadata" / "root_history" / "2.root.json").exists()


def next_root_without(yard: Yard, keyid: str, new: keys.CryptoSigner) -> Root:
    """The next root, with a new key instead of one."""
    root = next_root(yard)
    root.revoke_key(keyid, "root")
    root.add_key(new.public_key, "root")
    return root


async def test_a_root_that_skips_a_version(yard: Yard, server: Server) -> None:
    """Every root is the successor of one that was trusted."""
    root = next_root(yard)
    root.version = 3
    data = yard.forge("root", root, keys.load(yard.root_keys[0]))
    (yard.folder / "metadata" / "2.root.json").write_bytes(data)
    text = await refused(yard.reader(server.url), "repository_wrong")
    assert text == "hive: 2.root.json is root 3, where root 2 has to be"


async def test_a_target_put_in_place_of_another(yard: Yard, server: Server) -> None:
    """Signed as well, but as something else."""
    yard.published(SECOND)
    targets = yard.role("acme").targets
    first, second = (layout.stored(path, target.hashes["sha256"]) for path, target in targets.items())
    (yard.folder / first).write_bytes((yard.folder / second).read_bytes())
    with pytest.raises(Untrusted) as caught:
        await yard.reader(server.url).describe(Offer("caddy", "2.11.4", "any"))
    assert caught.value.code in ("repository_swapped", "repository_endless")


async def test_a_target_of_the_right_length_put_in_place_of_another(yard: Yard, server: Server) -> None:
    """So its digest tells; and what was refused is not kept."""
    ((path, target),) = yard.role("acme").targets.items()
    file = yard.folder / layout.stored(path, target.hashes["sha256"])
    right = file.read_bytes()
    file.write_bytes(right.replace(b"run", b"ran"))
    reader = yard.reader(server.url)
    with pytest.raises(Untrusted) as caught:
        await reader.describe(Offer("caddy", "2.11.4", "any"))
    assert caught.value.code == "repository_swapped"
    assert str(caught.value) == "hive: acme/caddy/2.11.4/any/package.json is not the one that was signed"
    file.write_bytes(right)
    assert (await reader.describe(Offer("caddy", "2.11.4", "any"))).manifest.version == "2.11.4"


async def test_a_cache_that_was_tampered_with_is_not_believed(yard: Yard, server: Server) -> None:
    """What was kept is verified each time, and fetched again if it is wrong."""
    reader, offer = yard.reader(server.url), Offer("caddy", "2.11.4", "any")
    before = await reader.describe(offer)
    (kept,) = (yard.home / "cache" / "hive" / "targets").iterdir()
    kept.write_bytes(kept.read_bytes().replace(b"run", b"ran"))
    assert await reader.describe(offer) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [('"name":"caddy"', '"name":"kaddy"'), ('"2.11.4"', '"2.11.3"'), ('"name":"acme/', '"name":"acma/')],
)
async def test_a_description_that_names_another_package_than_its_path(
    yard: Yard, server: Server, old: str, new: str
) -> None:
    """With the origin's key: what is signed under one name is not taken for another."""
    role = yard.role("acme")
    ((path, target),) = role.targets.items()
    data = (yard.folder / layout.stored(path, target.hashes["sha256"])).read_bytes().replace(old.encode(), new.encode())
    role.targets[path] = TargetFile.from_data(path, data, ["sha256"])
    (yard.folder / layout.stored(path, role.targets[path].hashes["sha256"])).write_bytes(data)
    yard.workshop.write("acme", role)
    publish(yard.workshop)
    with pytest.raises(Untrusted) as caught:
        await yard.reader(server.url).describe(Offer("caddy", "2.11.4", "any"))
    assert caught.value.code == "repository_misnamed"
    assert str(caught.value).startswith("hive: acme/caddy/2.11.4/any/package.json describes ")


async def test_an_origin_adds_nothing_to_a_package_of_another(yard: Yard, server: Server) -> None:
    """Neither under its own name, for the first origin has it, nor under the other's, where it may not sign."""
    yard.add(("caddy", "99.0"), ("brush", "1.0"), origin="evil")
    evil, ((_, target), *_) = yard.role("evil"), yard.role("acme").targets.items()
    evil.targets["acme/caddy/99.1/any/package.json"] = target
    evil.targets["acme/wax/1.0/any/package.json"] = target
    yard.workshop.write("evil", evil)
    publish(yard.workshop)
    reader = yard.reader(server.url)
    assert await versions(reader) == ["2.11.4"]
    assert [offer.version for offer in await reader.offers("brush")] == ["1.0"]
    assert await reader.offers("wax") == []


async def test_what_is_signed_as_a_version_that_is_none_is_not_offered(yard: Yard, server: Server) -> None:
    """With the origin's key; nobody who compares versions stumbles over it."""
    acme = yard.role("acme")
    acme.targets["acme/caddy/soon/any/package.json"] = next(iter(acme.targets.values()))
    yard.workshop.write("acme", acme)
    publish(yard.workshop)
    assert await versions(yard.reader(server.url)) == ["2.11.4"]


@pytest.mark.parametrize(
    ("name", "paths"), [("every", ["*/*/*/*/*"]), ("../acme", ["../acme/*/*/*/*"]), ("channels", ["channels/*/*/*/*"])]
)
async def test_a_delegation_that_is_neither_origin_nor_channel(
    yard: Yard, server: Server, name: str, paths: list[str]
) -> None:
    """With the key of targets: one that could stand before all others, or whose file is not its own."""
    targets = yard.workshop.targets()
    assert targets.delegations
    assert targets.delegations.roles is not None
    key = targets.delegations.roles["acme"].keyids
    foreign = DelegatedRole(name, key, 1, terminating=True, paths=paths)
    roles = {name: foreign, **targets.delegations.roles}
    targets.delegations.roles.clear()
    targets.delegations.roles.update(roles)
    yard.forge("targets", targets)
    snapshot = yard.snapshot()
    newest = yard.workshop.file("targets")
    assert newest
    snapshot.version += 1
    snapshot.meta["targets.json"] = MetaFile.from_data(targets.version, newest.read_bytes(), ["sha256"])
    yard.forge_state(snapshot, 9)
    text = await refused(yard.reader(server.url), "repository_foreign")
    assert text == f"hive lets {name} sign {paths}, which is no origin and no channel"


@pytest.mark.parametrize("status", [401, 403, 407])
@pytest.mark.parametrize("path", ["metadata/2.root.json", "metadata/timestamp.json"])
async def test_a_refused_request_is_not_a_missing_root(yard: Yard, server: Server, status: int, path: str) -> None:
    """Else whoever refuses could hide a rotated root for ever."""

    async def no(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    server.answers[path] = no
    text = await refused(yard.reader(server.url), "repository_denied", Rejected)
    assert text == f"hive does not let us read {path}: it answered {status}"


@pytest.mark.parametrize("found", [b"", b"[]", b"<html>", b"{" * 9000, b'{"signed":{},"signatures":[]}'])
async def test_what_is_no_metadata(yard: Yard, server: Server, found: bytes) -> None:
    """A page that says sorry, an empty file, a deep one."""

    async def sorry(request: web.Request) -> web.StreamResponse:
        return web.Response(body=found)

    server.answers["metadata/timestamp.json"] = sorry
    await refused(yard.reader(server.url), "repository_unreadable")


async def test_a_name_said_twice_means_the_same_to_all_who_read_it(yard: Yard, server: Server) -> None:
    """Signatures are over what one parser read; ours must read the same: the last one counts."""
    yard.published(SECOND)
    file = yard.workshop.file("acme")
    assert file
    data = file.read_bytes()
    signed = json.loads(data)["signed"]
    empty = json.dumps({**signed, "targets": {}}).encode()
    both = data.replace(b'"signed":', b'"signed":' + empty + b',"signed":', 1)
    assert Metadata[Targets].from_bytes(both).signed.targets == Metadata[Targets].from_bytes(data).signed.targets
    file.write_bytes(both)
    snapshot = yard.snapshot()
    snapshot.version += 1
    snapshot.meta["acme.json"] = MetaFile.from_data(snapshot.meta["acme.json"].version, both, ["sha256"])
    yard.forge_state(snapshot, 9)
    assert await versions(yard.reader(server.url)) == ["2.11.4", "2.11.7"]


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        (Credentials(username="ada", password="secret"), "Basic YWRhOnNlY3JldA=="),
        (Credentials(token="t0ken", username="ada", password="x", netrc="nowhere"), "Bearer t0ken"),
        (Credentials(netrc="netrc"), "Basic Z3JhY2U6aG9wcGVy"),
    ],
    ids=["basic", "token first", "netrc"],
)
async def test_credentials_go_to_their_origin_and_no_other(
    yard: Yard, server: Server, tmp_path: Path, credentials: Credentials, expected: str
) -> None:
    """Also not after a redirect; `source` tells them to who fetches the payload."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login grace password hopper\n")
    if credentials.netrc:
        credentials = msgspec.structs.replace(credentials, netrc=str(tmp_path / credentials.netrc))
    async with serving(yard.folder) as other:

        async def elsewhere(request: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(f"{other.url}{request.path}")

        server.answers["metadata/1.snapshot.json"] = elsewhere
        reader = TufRepository("hive", server.url, yard.pinned(), tmp_path / "cache", credentials=credentials)
        description = await reader.describe(Offer("caddy", "2.11.4", "any"))
    assert {headers.get("Authorization") for _, headers in server.seen} == {expected}
    assert [(path, headers.get("Authorization")) for path, headers in other.seen] == [
        ("metadata/1.snapshot.json", None)
    ]
    assert reader.sources(description.payload)[0].headers == {"Authorization": expected}
    assert "secret" not in repr(credentials)
    assert "t0ken" not in repr(credentials)


async def test_a_redirect_without_end(yard: Yard, server: Server) -> None:
    """And none is followed to a scheme that is not the web's."""

    async def round_and_round(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(request.path)

    async def to_file(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("file:///etc/hostname")

    for answer in (round_and_round, to_file):
        server.answers["metadata/timestamp.json"] = answer
        await refused(yard.reader(server.url), "repository_unreachable", Unavailable)


async def test_a_client_certificate_is_shown_to_its_origin_and_no_other(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also not after a redirect to another port."""
    for name in ("yard", "ann"):
        certificate(tmp_path, name)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "yard.crt"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "yard.crt", tmp_path / "yard.key")
    tls.load_verify_locations(tmp_path / "ann.crt")
    tls.verify_mode = ssl.CERT_OPTIONAL
    shown: list[tuple[str, bool]] = []

    def told(where: str) -> Answer:
        async def tell(request: web.Request) -> web.StreamResponse:
            assert request.transport
            shown.append((where, bool(request.transport.get_extra_info("peercert"))))
            if where == "home":
                raise web.HTTPFound(f"{other.url}{request.path}")
            return web.Response(status=403)

        return tell

    credentials = Credentials(certificate=str(tmp_path / "ann.crt"), key=str(tmp_path / "ann.key"))
    async with serving(yard.folder, tls) as home, serving(yard.folder, tls) as other:
        home.answers["*"], other.answers["*"] = told("home"), told("other")
        reader = TufRepository("hive", home.url, yard.pinned(), tmp_path / "cache", credentials=credentials)
        await refused(reader, "repository_denied", Rejected)
        assert shown == [("home", True), ("other", False)]
        Path(credentials.key).write_text("no key")
        await refused(reader, "certificate_unreadable", Invalid)


async def test_a_proxy_of_the_environment_is_used_unless_the_environment_says_otherwise(
    yard: Yard, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked of the proxy names the repository's host."""
    for name in ("http_proxy", "no_proxy"):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    assert await versions(yard.reader("http://packages.invalid")) == ["2.11.4"]
    assert {headers["Host"] for _, headers in server.seen} == {"packages.invalid"}
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("http_proxy", "http://proxy.invalid")
    assert await versions(yard.reader(server.url)) == ["2.11.4"]


async def test_a_refresh_without_news_asks_for_two_files_and_reads_no_role_again(yard: Yard, server: Server) -> None:
    """So it costs next to nothing, however much there is."""
    reader = yard.reader(server.url)
    await reader.refresh()
    before, server.seen = reader._roles, []
    await reader.refresh()
    assert server.paths() == ["metadata/2.root.json", "metadata/timestamp.json"]
    assert before
    assert reader._roles
    assert reader._roles["acme"] is before["acme"]


async def test_refreshes_at_once_do_not_wait_for_each_others_threads(yard: Yard) -> None:
    """Reading needs one of the loop's threads; here it has but one."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    readers = [yard.reader(name=f"hive-{number}") for number in range(3)]
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(reader.refresh() for reader in readers))
    assert [len(await reader.offers("caddy")) for reader in readers] == [1, 1, 1]


async def test_a_refresh_that_is_cancelled_leaves_nobody_waiting(yard: Yard, server: Server) -> None:
    """Neither the thread that waits for a file that never comes, nor who wants the lock next."""
    asked = asyncio.Event()

    async def silence(request: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.Event().wait()
        return web.Response()

    server.answers["metadata/timestamp.json"] = silence
    patient = Limits(total=600, answer=600)
    reader = TufRepository("hive", server.url, yard.pinned(), yard.home / "cache" / "hive", limits=patient)
    refresh = asyncio.ensure_future(reader.refresh())
    await asked.wait()
    refresh.cancel()
    with pytest.raises(asyncio.CancelledError):
        await refresh
    server.answers.clear()
    assert await versions(yard.reader(server.url)) == ["2.11.4"]


async def test_a_cache_that_another_holds_is_not_waited_for_without_end(yard: Yard, server: Server) -> None:
    """A process that hangs must not hang all others."""
    reader = TufRepository("hive", server.url, yard.pinned(), yard.home / "cache", limits=Limits(total=0.05))
    (yard.home / "cache" / "metadata").mkdir(parents=True)
    with (yard.home / "cache" / "metadata" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        text = await refused(reader, "repository_busy", Unavailable)
    assert text == "hive is being refreshed by another process"


async def test_a_cache_that_can_not_be_written_is_said(yard: Yard, server: Server) -> None:
    """With the folder and the reason."""
    (yard.home / "cache").write_text("no folder")
    text = await refused(yard.reader(server.url), "repository_cache", Unavailable)
    assert text == f"hive: what is known of it can't be kept in {yard.home / 'cache' / 'hive'}: Not a directory"


async def test_two_readers_share_one_cache(yard: Yard, server: Server) -> None:
    """Their lock keeps them apart, as it does processes."""
    readers = [yard.reader(server.url) for _ in range(8)]
    for _ in range(3):
        await asyncio.gather(*(reader.refresh() for reader in readers))
    assert [await versions(reader) for reader in readers] == [["2.11.4"]] * 8
