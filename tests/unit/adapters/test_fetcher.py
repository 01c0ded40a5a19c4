"""Downloads from a server that cuts, lies, trickles, redirects and refuses; what is kept, and what is said of it."""

import asyncio
import gzip
import json
import os
import random
import signal
import ssl
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest
from yarl import URL

from beeyard.adapters.fetcher import FolderFetcher, Limits, transfer
from beeyard.adapters.fetcher.answers import coming, redirected
from beeyard.adapters.fetcher.words import Broken, Place, place_of
from beeyard.domain.errors import BeeyardError, Limited, Rejected, Unavailable, Untrusted
from beeyard.ports.repository import Source
from tests.unit.adapters.file_server import FileServer, Request, Trick, answers, cuts, head, serving

DATA = random.Random(7).randbytes(300_000)
QUICK = Limits(pause=0.001)
PLACE = Place("caddy.tar.zst", "files.example")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy and no netrc but a test's own."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.fixture
def fetcher(tmp_path: Path) -> FolderFetcher:
    """One that waits for nothing long."""
    return FolderFetcher(tmp_path / "dl", QUICK)


def nothing(count: int) -> None:
    """Nobody looks."""


async def fetched(fetcher: FolderFetcher, server: FileServer, source: Source | None = None) -> bytes:
    """What was fetched."""
    path = await fetcher.fetch(source or server.source, len(server.data), server.digest, nothing)
    return Path(path).read_bytes()


def left(tmp_path: Path) -> list[str]:
    """The kinds of files in the folder."""
    return sorted(path.suffix for path in (tmp_path / "dl").iterdir())


async def test_a_file_comes_once_and_stays_until_it_is_dropped(fetcher: FolderFetcher, tmp_path: Path) -> None:
    """The second time nobody is asked; nothing but the file lies there; progress ends with its size."""
    told: list[int] = []
    async with serving(DATA) as server:
        path = await fetcher.fetch(server.source, len(DATA), server.digest, told.append)
        assert await fetched(fetcher, server) == DATA
        assert len(server.asked) == 1
        assert server.asked[0].headers["accept-encoding"] == "identity"
        assert path == str(tmp_path / "dl" / server.digest)
        assert left(tmp_path) == [""]
        assert told == sorted(told)
        assert told[-1] == len(DATA)
        fetcher.drop(server.digest)
        fetcher.drop(server.digest)
        assert left(tmp_path) == []


async def test_an_empty_file_needs_no_question(fetcher: FolderFetcher) -> None:
    """All of its bytes are known."""
    async with serving(b"") as server:
        assert await fetched(fetcher, server) == b""
        assert server.asked == []


async def test_what_was_cut_off_is_gone_on_with(fetcher: FolderFetcher) -> None:
    """Each byte is sent once, each try begins where the last ended, and only of the same file."""
    async with serving(DATA) as server:
        server.tricks.extend([cuts(100_000), cuts(150_000), cuts(150_001)])
        assert await fetched(fetcher, server) == DATA
        assert server.gave == len(DATA)
        assert [request.headers.get("range") for request in server.asked] == [
            None, "bytes=100000-299999", "bytes=150000-299999", "bytes=150001-299999",
        ]  # fmt: skip
        assert {request.headers.get("if-range") for request in server.asked[1:]} == {'"one"'}


@pytest.mark.parametrize("cut", [False, True])
async def test_big_files_come_in_several_ranges_at_once(
    fetcher: FolderFetcher, monkeypatch: pytest.MonkeyPatch, cut: bool
) -> None:
    """Four at most, each byte once; one that is cut off ends well like any other."""
    monkeypatch.setattr(transfer, "PIECE", 20_000)
    four = asyncio.Event()

    async def waits(server: FileServer, request: Request, writer: asyncio.StreamWriter) -> None:
        number = len(server.asked)
        if server.most == 4:
            four.set()
        if number > 1:
            await four.wait()
        await server.right(request, writer, 100_001 if cut and number == 6 else None)

    async with serving(DATA) as server:
        server.always = waits
        assert await fetched(fetcher, server) == DATA
        assert server.most == 4
        assert cut or server.gave == len(DATA)


@pytest.mark.parametrize("etag", ['"one"', ""])
async def test_a_server_without_ranges_is_asked_for_all_of_it(fetcher: FolderFetcher, etag: str) -> None:
    """What it sends instead of the rest is the whole file."""
    async with serving(DATA) as server:
        server.ranges, server.etag = False, etag
        server.tricks.append(cuts(100_000))
        assert await fetched(fetcher, server) == DATA
        assert [request.span for request in server.asked] == [None, (100_000, 300_000)]


async def test_a_big_file_of_a_server_without_ranges_comes_in_one_answer(
    fetcher: FolderFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for the first range, sends all, and is asked for nothing beside it."""
    monkeypatch.setattr(transfer, "PIECE", 20_000)
    async with serving(DATA) as server:
        server.ranges = False
        assert await fetched(fetcher, server) == DATA
        assert [request.span for request in server.asked] == [(0, 20_000)]


async def test_a_file_that_changed_on_the_server_is_begun_anew(fetcher: FolderFetcher) -> None:
    """The first half of the old one is no half of the new one."""
    async with serving(DATA) as server:
        new = DATA[::-1]

        async def old(server: FileServer, request: Request, writer: asyncio.StreamWriter) -> None:
            await server.right(request, writer, 100_000)
            server.data, server.etag = new, '"two"'

        server.tricks.append(old)
        digest = sha256(new).hexdigest()
        path = await fetcher.fetch(server.source, len(new), digest, nothing)
        assert Path(path).read_bytes() == new


async def test_without_names_a_mixed_file_is_found_by_its_digest_and_brought_again(fetcher: FolderFetcher) -> None:
    """The server tells no ETag; that it is not the publisher's fault is found out before anybody is blamed."""
    async with serving(DATA) as server:
        server.etag, new = "", DATA[::-1]

        async def old(server: FileServer, request: Request, writer: asyncio.StreamWriter) -> None:
            await server.right(request, writer, 100_000)
            server.data = new

        server.tricks.append(old)
        path = await fetcher.fetch(server.source, len(new), sha256(new).hexdigest(), nothing)
        assert Path(path).read_bytes() == new
        assert [request.span for request in server.asked] == [None, (100_000, 300_000), None]


async def test_balanced_servers_with_names_of_their_own_end_well(
    fetcher: FolderFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them calls the same bytes otherwise: after two tries it is asked for the whole."""
    monkeypatch.setattr(transfer, "PIECE", 20_000)

    async def other(server: FileServer, request: Request, writer: asyncio.StreamWriter) -> None:
        server.etag = f'"{len(server.asked)}"'
        await server.right(request, writer)

    async with serving(DATA) as server:
        server.always = other
        assert await fetched(fetcher, server) == DATA
        assert server.asked[-1].span is None


@pytest.mark.parametrize(
    "lie",
    [
        answers(416, "Content-Range: bytes */300000"),
        answers(206, "Content-Range: bytes 0-199999/300000", body=DATA[:200_000]),
        answers(206, "Content-Range: bytes 100000-300000/*", body=DATA[100_000:] + b"x"),
        answers(206, "Content-Type: multipart/byteranges; boundary=x", body=b"--x"),
    ],
    ids=["no such range", "another begin", "another end", "many at once"],
)
async def test_a_server_that_gets_ranges_wrong_is_asked_for_all_of_it(fetcher: FolderFetcher, lie: Trick) -> None:
    """Nothing of the wrong answer is taken."""
    async with serving(DATA) as server:
        server.tricks.extend([cuts(100_000), lie])
        assert await fetched(fetcher, server) == DATA
        assert server.asked[-1].span is None


async def endless(server: FileServer, request: Request, writer: asyncio.StreamWriter) -> None:
    """Does not stop where it should, and tells no length; a client that falls for it is not let fill the disk."""
    head(writer, 200)
    while server.gave < 100 * len(server.data):
        writer.write(bytes(65536))
        await writer.drain()
        server.gave += 65536


@pytest.mark.parametrize(
    ("trick", "seen"),
    [
        (endless, "it sends more than the 300000 bytes that were promised"),
        (answers(200, body=bytes(300_000)), "its SHA-256 is another one"),
        (answers(200, body=bytes(299_999)), "it has 299999 bytes there, and 300000 were promised"),
        (answers(206, "Content-Range: bytes 0-9/10"), "it has 10 bytes there, and 300000 were promised"),
        (answers(416, "Content-Range: bytes */10"), "it has 10 bytes there, and 300000 were promised"),
    ],
    ids=["endless", "other bytes", "too short", "a part of another", "no part of another"],
)
async def test_what_is_not_what_was_promised_is_thrown_away(
    fetcher: FolderFetcher, tmp_path: Path, trick: Trick, seen: str
) -> None:
    """It is told what was seen, no byte is kept, and none taken beyond the size."""
    async with serving(DATA) as server:
        server.always = trick
        if seen.startswith("it has 10"):
            server.tricks.append(cuts(100_000))
        with pytest.raises(Untrusted) as caught:
            await fetched(fetcher, server)
        assert str(caught.value) == f"caddy.tar.zst from 127.0.0.1:{server.port} is not what was promised: {seen}"
        assert caught.value.hint
        assert left(tmp_path) == []


async def test_a_trickle_is_too_slow(tmp_path: Path) -> None:
    """A byte now and then keeps a connection alive for ever, and is refused; what came is kept."""
    fetcher = FolderFetcher(tmp_path / "dl", Limits(window=0.3))

    async def trickles(server: FileServer, request: Request, writer: asyncio.StreamWriter) -> None:
        head(writer, 200, "Content-Length: 300000")
        for byte in server.data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(DATA) as server:
        server.always = trickles
        with pytest.raises(Unavailable, match=r"caddy\.tar\.zst can't be had from .* now: only \d+ B came in 300ms"):
            await fetched(fetcher, server)
        assert left(tmp_path) == [".json", ".part"]


async def test_a_deadline_ends_it(tmp_path: Path) -> None:
    """However quick it was."""
    fetcher = FolderFetcher(tmp_path / "dl", Limits(deadline=0.2))
    asked = asyncio.Event()

    async def silent(server: FileServer, request: Request, writer: asyncio.StreamWriter) -> None:
        await asked.wait()

    async with serving(DATA) as server:
        server.always = silent
        with pytest.raises(Unavailable, match=r"it took more than 200ms$"):
            await fetched(fetcher, server)
        asked.set()


async def test_a_server_in_trouble_is_tried_again_and_then_given_up(fetcher: FolderFetcher) -> None:
    """Three bad answers are borne; one that stays bad is told with its status."""
    async with serving(DATA) as server:
        server.tricks.extend([answers(503), answers(500), cuts(0)])
        assert await fetched(fetcher, server) == DATA
        fetcher.drop(server.digest)
        server.always = answers(502)
        with pytest.raises(Unavailable) as caught:
            await fetched(fetcher, server)
        assert str(caught.value) == (
            f"caddy.tar.zst can't be had from 127.0.0.1:{server.port} now: it answered 502, the last of 6 tries in vain"
        )
        assert caught.value.hint == "Try again later: what came so far is kept, and gone on with."


async def test_nobody_there_is_told(fetcher: FolderFetcher) -> None:
    """Nothing listens at the port."""
    async with serving(DATA) as server:
        pass
    with pytest.raises(Unavailable, match=r"now: no connection: .+, the last of 6 tries in vain$"):
        await fetched(fetcher, server)


async def test_a_server_that_is_asked_too_often_is_left_alone(fetcher: FolderFetcher) -> None:
    """A moment is waited for; what is beyond the deadline is told, with the time."""
    async with serving(DATA) as server:
        server.tricks.append(answers(429, "Retry-After: 0"))
        assert await fetched(fetcher, server) == DATA
        fetcher.drop(server.digest)
        server.always = answers(429, "Retry-After: 86400")
        with pytest.raises(Limited) as caught:
            await fetched(fetcher, server)
        assert caught.value.retry_after == 86400
        place = f"127.0.0.1:{server.port}"
        assert str(caught.value) == f"{place} wants to be asked for caddy.tar.zst again in 1d, not now"


@pytest.mark.parametrize(("told", "after"), [("7", 7.0), ("Thu, 01 Jan 1970 00:01:40 GMT", 60.0), ("soon", 0.0)])
def test_retry_after_is_seconds_or_a_date(told: str, after: float) -> None:
    """Both are seconds from now; nonsense is none."""
    with pytest.raises(Broken) as caught:
        coming(429, {"Retry-After": told}, None, 10, PLACE, now=40.0)
    assert caught.value.after == after


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "password"), (403, "right to read"), (404, "Try again"), (410, "removed"), (204, "URL"), (418, "URL")],
)
async def test_a_refusal_is_told_at_once(fetcher: FolderFetcher, status: int, hint: str) -> None:
    """Asking again would not change it."""
    async with serving(DATA) as server:
        server.always = answers(status)
        with pytest.raises(Rejected) as caught:
            await fetched(fetcher, server)
        assert str(caught.value) == f"127.0.0.1:{server.port} does not give caddy.tar.zst: it answered {status}"
        assert hint in caught.value.hint
        assert len(server.asked) == 1


async def test_a_file_that_is_stored_packed_is_taken_as_it_is(fetcher: FolderFetcher) -> None:
    """The encoding that is told is the file's own; one that was packed for us is refused with what to do."""
    async with serving(gzip.compress(DATA)) as server:
        server.always = answers(200, "Content-Encoding: gzip", body=server.data)
        assert await fetched(fetcher, server) == server.data
        fetcher.drop(server.digest)
        server.always = answers(200, "Content-Encoding: gzip", body=server.data[:-9])
        with pytest.raises(Rejected, match="it sends it packed as gzip"):
            await fetched(fetcher, server)


def to(location: str) -> Trick:
    """Redirects there."""
    return answers(302, f"Location: {location}")


async def test_credentials_go_to_their_origin_and_nowhere_else(fetcher: FolderFetcher, tmp_path: Path) -> None:
    """A redirect within it keeps them, one to another port drops headers, password and netrc."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password secret\n")
    async with serving(DATA) as server, serving(DATA) as other:
        server.tricks.extend([to("/elsewhere"), to(other.url)])
        source = Source(server.url, {"Authorization": "Bearer token", "X-Key": "key"})
        assert await fetched(fetcher, other, source) == DATA
        assert [request.path for request in server.asked] == ["/files/caddy.tar.zst", "/elsewhere"]
        assert all(request.headers["authorization"] == "Bearer token" for request in server.asked)
        assert all(request.headers["x-key"] == "key" for request in server.asked)
        assert len(other.asked) == 1
        assert not {"authorization", "x-key"} & set(other.asked[0].headers)


@pytest.mark.parametrize(("login", "sent"), [("", "Basic YWRhOnNlY3JldA=="), ("eve:pw@", "Basic ZXZlOnB3")])
async def test_netrc_is_asked_when_nothing_else_is_said(
    fetcher: FolderFetcher, tmp_path: Path, login: str, sent: str
) -> None:
    """What the URL says beats it, and is told nobody."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password secret\n")
    async with serving(DATA) as server, serving(DATA) as other:
        server.tricks.append(to(other.url))
        source = Source(server.url.replace("//", f"//{login}"))
        assert await fetched(fetcher, other, source) == DATA
        assert server.asked[0].headers["authorization"] == sent
        assert "authorization" not in other.asked[0].headers


async def test_redirects_end(fetcher: FolderFetcher) -> None:
    """After ten of them."""
    async with serving(DATA) as server:
        server.always = to("/files/caddy.tar.zst")
        with pytest.raises(Rejected, match="it redirects more than 10 times"):
            await fetched(fetcher, server)
        assert len(server.asked) == 11


@pytest.mark.parametrize("location", ["", "file:///etc/passwd", "ftp://x/y", "http://[", "http://files.example/"])
def test_a_redirect_leads_neither_out_of_http_nor_from_https_to_http(location: str) -> None:
    """Least of all to a file of this host."""
    with pytest.raises(Rejected, match="it redirects"):
        redirected(URL("https://files.example/a"), location, PLACE)
    assert redirected(URL("http://a.example/x"), "https://u:p@b.example/y", PLACE) == URL("https://b.example/y")


async def test_the_environment_names_the_proxy(fetcher: FolderFetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for the whole URL; hosts in no_proxy are asked themselves."""
    async with serving(DATA) as proxy, serving(DATA) as server:
        monkeypatch.setenv("http_proxy", f"http://ada:secret@127.0.0.1:{proxy.port}")
        assert await fetched(fetcher, proxy, Source("http://files.invalid/caddy")) == DATA
        assert [request.path for request in proxy.asked] == ["http://files.invalid/caddy"]
        assert proxy.asked[0].headers["proxy-authorization"] == "Basic YWRhOnNlY3JldA=="
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        fetcher.drop(server.digest)
        assert await fetched(fetcher, server) == DATA
        assert len(server.asked) == 1


def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """One for 127.0.0.1, which vouches for itself."""
    made = tmp_path / "made.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *subject,
         "-out", made[0], "-keyout", made[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return made


async def test_a_server_has_to_prove_who_it_is(
    fetcher: FolderFetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an authority that the system trusts; our own certificate is shown to its origin, and not where that leads."""
    made, key = certificate(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(made))
    tls.load_cert_chain(made, key)
    tls.verify_mode = ssl.CERT_OPTIONAL
    async with serving(DATA, tls) as server, serving(DATA, tls) as other:
        with pytest.raises(Untrusted, match=r"was not asked for: 127\.0\.0\.1 can't prove who it is \(.*self.signed"):
            await fetched(fetcher, server)
        monkeypatch.setenv("SSL_CERT_FILE", str(made))
        server.tricks.append(to(other.url))
        assert await fetched(fetcher, server, Source(server.url, certificate=str(made), key=str(key))) == DATA
        assert [request.certified for request in [*server.asked, *other.asked]] == [True, False]


async def test_a_client_certificate_that_is_none_is_told(fetcher: FolderFetcher, tmp_path: Path) -> None:
    """Nobody is asked."""
    source = Source("https://files.invalid/caddy", certificate=str(tmp_path / "none"))
    with pytest.raises(Rejected, match="its client certificate can't be used"):
        await fetcher.fetch(source, 1, "0" * 64, nothing)


async def test_two_who_want_the_same_file_bring_it_once(fetcher: FolderFetcher) -> None:
    """The second waits for the first, and finds it done."""
    async with serving(DATA) as server:
        both = await asyncio.gather(fetched(fetcher, server), fetched(fetcher, server))
        assert list(both) == [DATA, DATA]
        assert len(server.asked) == 1


async def test_the_second_goes_on_where_the_first_gave_up(
    fetcher: FolderFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled, what came is kept; who waited for it asks for the rest only."""
    monkeypatch.setattr(transfer, "LUMP", 1)
    came, over = asyncio.Event(), asyncio.Event()

    async def half(server: FileServer, request: Request, writer: asyncio.StreamWriter) -> None:
        head(writer, 200, "Content-Length: 300000", 'ETag: "one"')
        writer.write(server.data[:100_000])
        await writer.drain()
        await over.wait()

    def tell(count: int) -> None:
        if count == 100_000:
            came.set()

    async with serving(DATA) as server:
        server.tricks.append(half)
        first = asyncio.create_task(fetcher.fetch(server.source, len(DATA), server.digest, tell))
        await came.wait()
        second = asyncio.create_task(fetched(fetcher, server))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await second == DATA
        assert [request.span for request in server.asked] == [None, (100_000, 300_000)]
        over.set()


CHILD = """
import asyncio, sys
from pathlib import Path
from beeyard.adapters.fetcher import FolderFetcher
from beeyard.ports.repository import Source
folder, url, size, digest = sys.argv[1:]
asyncio.run(FolderFetcher(Path(folder)).fetch(Source(url), int(size), digest, lambda count: print(count, flush=True)))
"""


async def child(tmp_path: Path, server: FileServer) -> asyncio.subprocess.Process:
    """Another process that fetches the same into the same folder, and prints how far it is."""
    arguments = [str(tmp_path / "dl"), server.url, str(len(server.data)), server.digest]
    return await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, *arguments, stdout=subprocess.PIPE)


async def test_a_process_that_is_killed_leaves_what_it_had(fetcher: FolderFetcher, tmp_path: Path) -> None:
    """Killed in the middle, once it has noted something: the next one asks for no byte of that again."""
    noted, dead = asyncio.Event(), asyncio.Event()

    async def slowly(server: FileServer, request: Request, writer: asyncio.StreamWriter) -> None:
        head(writer, 200, "Content-Length: 300000", 'ETag: "one"')
        note = tmp_path / "dl" / f"{server.digest}.json"
        for at in range(0, 300_000, 1000):
            writer.write(server.data[at : at + 1000])
            await writer.drain()
            await asyncio.sleep(0.05)  # A server is slow in time, not in events.
            if note.exists():
                noted.set()
                await dead.wait()
                return

    async with serving(DATA) as server:
        server.tricks.append(slowly)
        process = await child(tmp_path, server)
        await noted.wait()
        process.send_signal(signal.SIGKILL)
        await process.wait()
        dead.set()
        done = json.loads((tmp_path / "dl" / f"{server.digest}.json").read_bytes())["done"]
        assert await fetched(fetcher, server) == DATA
        assert [list(request.span or ()) for request in server.asked] == [[], [done[0][1], 300_000]]


async def test_two_processes_bring_it_once(tmp_path: Path) -> None:
    """The lock is between processes, too."""
    async with serving(DATA) as server:
        processes = [await child(tmp_path, server) for _ in range(3)]
        assert [await process.wait() for process in processes] == [0, 0, 0]
        assert len(server.asked) == 1
        assert left(tmp_path) == [""]


async def test_what_the_disk_lost_is_brought_again(fetcher: FolderFetcher, tmp_path: Path) -> None:
    """A part that is not what its note says, a note that is none, and a whole file that was damaged."""
    async with serving(DATA) as server:
        whole = tmp_path / "dl" / server.digest
        part, note = whole.with_suffix(".part"), whole.with_suffix(".json")
        tmp_path.joinpath("dl").mkdir()
        part.write_bytes(bytes(300_000))
        note.write_text('{"size": 300000, "done": [[0, 200000]]}')
        assert await fetched(fetcher, server) == DATA
        whole.write_bytes(DATA[:-1] + b"x")
        for text in ("", "{", '{"size": 300001, "done": [[0, 300000]]}', '{"size": 300000, "done": [[0, 1]]}'):
            whole.unlink(missing_ok=True)
            note.write_text(text)
            assert await fetched(fetcher, server) == DATA
        assert left(tmp_path) == [""]


async def test_what_the_note_speaks_of_is_synced_before_it_is_written(
    fetcher: FolderFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut may come at any time; so too a whole file gets its name only once it is on the disk."""
    done: list[str] = []
    sync_data, sync, replace = os.fdatasync, os.fsync, Path.replace

    def data_synced(fd: int) -> None:
        done.append("bytes synced")
        sync_data(fd)

    def synced(fd: int) -> None:
        done.append("folder synced" if os.path.isdir(f"/proc/self/fd/{fd}") else "file synced")
        sync(fd)

    def replaced(path: Path, target: Path) -> Path:
        done.append(f"{target.suffix or 'file'} named")
        return replace(path, target)

    monkeypatch.setattr(os, "fdatasync", data_synced)
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    async with serving(DATA) as server:
        server.tricks.extend([cuts(100_000), answers(404)])
        with pytest.raises(Rejected):
            await fetched(fetcher, server)
        assert done == ["bytes synced", ".json named"]
        done.clear()
        await fetched(fetcher, server)
        assert done == ["file synced", "file named", "folder synced"]


async def test_room_is_taken_before_anybody_is_asked(fetcher: FolderFetcher, tmp_path: Path) -> None:
    """What does not fit is told with both sizes, and leaves nothing."""
    async with serving(DATA) as server:
        with pytest.raises(Rejected) as caught:
            await fetcher.fetch(server.source, 1 << 50, server.digest, nothing)
        assert str(caught.value).startswith("there is no room for caddy.tar.zst: it takes 1024.0 TB in ")
        assert str(caught.value).endswith(" are free")
        assert server.asked == []
        assert left(tmp_path) == []


async def test_a_folder_that_can_t_be_written_is_told(tmp_path: Path) -> None:
    """Something else stands where it should be."""
    tmp_path.joinpath("dl").write_text("")
    with pytest.raises(Unavailable, match=r"caddy can't be written into .*dl: "):
        await FolderFetcher(tmp_path / "dl").fetch(Source("/caddy"), 1, "0" * 64, nothing)


async def test_only_parts_that_nobody_went_on_with_are_swept(fetcher: FolderFetcher, tmp_path: Path) -> None:
    """After a week; a whole file stays, and so does a part that somebody holds."""
    async with serving(DATA) as server:
        await fetched(fetcher, server)
    folder = tmp_path / "dl"
    old = time.time() - 8 * 86400
    for name, at in (("a" * 64, old), ("b" * 64, time.time())):
        for kind in (".part", ".json"):
            (folder / f"{name}{kind}").write_bytes(b"{}")
            os.utime(folder / f"{name}{kind}", (at, at))
    os.utime(folder / server.digest, (old, old))
    fetcher.sweep()
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [server.digest, "b" * 64 + ".json", "b" * 64 + ".part"]
    )


@pytest.mark.parametrize("url", ["{}", "file://{}", "file://localhost{}"])
async def test_a_file_of_this_host_is_copied(fetcher: FolderFetcher, tmp_path: Path, url: str) -> None:
    """It is another file then: what becomes of the first is nobody's trouble."""
    (tmp_path / "caddy").write_bytes(DATA)
    digest = FileServer(DATA).digest
    path = await fetcher.fetch(Source(url.format(tmp_path / "caddy")), len(DATA), digest, nothing)
    (tmp_path / "caddy").write_bytes(b"")
    assert Path(path).read_bytes() == DATA


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("none", Rejected, "this host does not give none: no such file or directory"),
        ("folder", Rejected, "this host does not give folder: it is no regular file"),
        ("pipe", Rejected, "this host does not give pipe: it is no regular file"),
        (
            "short",
            Untrusted,
            "short from this host is not what was promised: it has 4 bytes there, and 5 were promised",
        ),
        ("other", Untrusted, "other from this host is not what was promised: its SHA-256 is another one"),
    ],
)
async def test_a_file_of_this_host_is_looked_at_as_closely(
    fetcher: FolderFetcher, tmp_path: Path, name: str, kind: type[BeeyardError], text: str
) -> None:
    """It may be a pipe, which would never end."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "short").write_bytes(b"1234")
    (tmp_path / "other").write_bytes(b"12345")
    with pytest.raises(kind) as caught:
        await fetcher.fetch(Source(str(tmp_path / name)), 5, "0" * 64, nothing)
    assert str(caught.value) == text
    assert left(tmp_path) == ([] if kind is Untrusted else [".part"])


@pytest.mark.parametrize("url", ["ftp://files.example/caddy", "file://other/caddy", "caddy", "http://", "http://[x"])
async def test_what_is_no_url_is_told(fetcher: FolderFetcher, url: str) -> None:
    """Nobody is asked."""
    with pytest.raises(Rejected, match="it is no URL of http, https or file"):
        await fetcher.fetch(Source(url), 5, "0" * 64, nothing)


def test_neither_password_nor_query_is_shown() -> None:
    """Of a URL that is a secret in itself only host and file are told."""
    assert place_of("https://ada:pw@files.example:8443/a/caddy%20x?sig=secret#f") == Place(
        "caddy x", "files.example:8443"
    )
