"""Private repositories over real connections: who is let in, with what, and what is said to who is not.

Metadata and payload come by two clients of ours; each test asks with both.
"""

import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from beeyard.adapters.fetcher import FolderFetcher
from beeyard.adapters.repositories.tuf import TufRepository
from beeyard.domain.errors import BeeyardError, Invalid, Rejected, Unavailable, Untrusted
from beeyard.domain.sources import Credentials
from beeyard.ports.repository import Offer
from tests.certificates import Authority
from tests.repositories import Answer, Server, Yard, serving

OFFER = Offer("caddy", "2.11.4", "any")


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """One package."""
    return Yard(tmp_path).published(("caddy", "2.11.4"))


@pytest.fixture
async def server(yard: Yard) -> AsyncIterator[Server]:
    """Its web server."""
    async with serving(yard.folder) as server:
        yield server


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The one that this system trusts."""
    made = Authority(tmp_path, "authority")
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


async def brought(yard: Yard, url: str, credentials: Credentials = Credentials()) -> bytes:  # noqa: B008
    """The payload, as it comes to a host that knew nothing before."""
    reader = TufRepository("hive", url, yard.pinned(), yard.home / "cache", credentials=credentials)
    description = await reader.describe(OFFER)
    fetcher = FolderFetcher(yard.home / "downloads")
    payload = description.payload
    file = await fetcher.fetch(reader.sources(payload)[0], payload.size, payload.sha256, lambda there: None)
    return Path(file).read_bytes()


def built(yard: Yard) -> bytes:
    """The payload as it was made."""
    return (yard.home / "builds" / "caddy-2.11.4-any.tar.zst").read_bytes()


async def refused(kind: type[BeeyardError], yard: Yard, url: str, credentials: Credentials) -> BeeyardError:
    """Why nothing comes."""
    with pytest.raises(kind) as caught:
        await brought(yard, url, credentials)
    assert caught.value.hint
    return caught.value


def shown(files: tuple[Path, Path]) -> Credentials:
    """A client certificate."""
    return Credentials(certificate=str(files[0]), key=str(files[1]))


async def test_a_client_certificate_opens(yard: Yard, authority: Authority) -> None:
    """To a server that speaks to nobody without one, for metadata and payload."""
    async with serving(yard.folder, authority.server(clients=authority)) as server:
        assert await brought(yard, server.url, shown(authority.issue("ann"))) == built(yard)


async def test_without_the_right_client_certificate_nothing_is_served(yard: Yard, authority: Authority) -> None:
    """One of another authority, and none at all: the server only hangs up, the advice says what it may want."""
    stranger = Authority(yard.home, "stranger").issue("bob")
    async with serving(yard.folder, authority.server(clients=authority)) as server:
        why = await refused(Unavailable, yard, server.url, shown(stranger))
        assert str(why) == "hive: metadata/2.root.json can't be had: it broke the connection off"
        assert why.hint == f"if it stays so: does it take the client certificate {stranger[0]}?"
        why = await refused(Unavailable, yard, server.url, Credentials())
        assert why.hint.startswith("if it stays so: does it want a client certificate")
        assert server.seen == []


async def test_an_expired_client_certificate_is_not_shown(yard: Yard, authority: Authority) -> None:
    """Its own date says more than the server that hangs up."""
    old = authority.issue("eve", expired=True)
    async with serving(yard.folder, authority.server(clients=authority)) as server:
        why = await refused(Invalid, yard, server.url, shown(old))
    assert why.code == "certificate_expired"
    assert str(why).startswith(f"the client certificate {old[0]} was good until ")


async def test_a_certificate_with_the_key_of_another_is_named(yard: Yard, authority: Authority) -> None:
    """In words, not with OpenSSL's numbers."""
    (certificate, _), (_, key) = authority.issue("ann"), authority.issue("bob")
    async with serving(yard.folder, authority.server()) as server:
        why = await refused(Invalid, yard, server.url, shown((certificate, key)))
    assert str(why) == f"the client certificate {certificate} is of no use: key values mismatch"


@pytest.mark.parametrize(
    ("expired", "known", "reason"),
    [(True, True, "certificate has expired"), (False, False, "unable to get local issuer certificate")],
    ids=["expired", "unknown authority"],
)
async def test_a_server_that_can_not_prove_who_it_is_is_told_nothing(
    yard: Yard, authority: Authority, expired: bool, known: bool, reason: str
) -> None:
    """Not even a token."""
    signs = authority if known else Authority(yard.home, "unknown")
    async with serving(yard.folder, signs.server(expired=expired)) as server:
        why = await refused(Untrusted, yard, server.url, Credentials(token="t0ken"))
        host = server.url.removeprefix("https://")
        assert server.seen == []
    assert (why.code, str(why)) == (
        "repository_uncertified",
        f"hive was asked for nothing: {host} can't prove who it is: {reason}",
    )


async def test_a_server_of_another_name_is_told_nothing(yard: Yard, authority: Authority) -> None:
    """Its certificate is right, for somewhere else."""
    async with serving(yard.folder, authority.server()) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        why = await refused(Untrusted, yard, url, Credentials(token="t0ken"))
        assert server.seen == []
    assert "not valid for 'localhost'" in str(why)


def guarded(server: Server, expected: str) -> Answer:
    """Who shows something else gets nothing."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != expected:
            return web.Response(status=401)
        file = server.folder / request.path.lstrip("/")
        return web.Response(body=file.read_bytes()) if file.is_file() else web.Response(status=404)

    return answer


def basic(name: str, password: str) -> str:
    """As HTTP writes it."""
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()


WAYS = {
    "basic": (Credentials(username="ada", password="secret"), basic("ada", "secret")),
    "bearer": (Credentials(token="t0ken"), "Bearer t0ken"),
    "netrc": (Credentials(netrc="netrc"), basic("grace", "hopper")),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Credentials, str]:
    """What is shown, and how it comes to the server; the master's own netrc names nobody."""
    monkeypatch.setenv("NETRC", str(tmp_path / "nothing"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login grace password hopper\n")
    return WAYS[request.param]


async def test_each_way_to_say_who_we_are_opens(yard: Yard, server: Server, way: tuple[Credentials, str]) -> None:
    """And what is wrong is refused, and said without the secret."""
    credentials, expected = way
    server.answers["*"] = guarded(server, expected)
    assert await brought(yard, server.url, credentials) == built(yard)
    server.answers["*"] = guarded(server, "another")
    why = await refused(Rejected, yard, server.url, credentials)
    assert str(why) == "hive does not let us read metadata/2.root.json: it answered 401"
    told = f"{why} {why.hint} {why.fields}"
    assert not any(word in told for word in ("secret", "t0ken", "hopper", expected))


async def test_no_way_follows_a_redirect_to_another_origin(
    yard: Yard, server: Server, way: tuple[Credentials, str]
) -> None:
    """Neither with metadata nor with the payload; what is there for everybody still comes."""
    credentials, expected = way
    async with serving(yard.folder) as other:

        async def elsewhere(request: web.Request) -> web.StreamResponse:
            raise web.HTTPTemporaryRedirect(f"{other.url}{request.path}")

        server.answers["*"] = elsewhere
        assert await brought(yard, server.url, credentials) == built(yard)
    assert {headers.get("Authorization") for _, headers in server.seen} == {expected}
    assert any(path.endswith(".payload.tar.zst") for path in other.paths())
    assert {headers.get("Authorization") for _, headers in other.seen} == {None}


async def test_a_proxy_brings_metadata_and_payload(
    yard: Yard, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is asked for what the repository's host is to be asked; what it refuses is said to be its doing."""
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url)  # a server that is asked for a whole URL serves its path
    url = "http://packages.example.org"
    assert await brought(yard, url, Credentials(token="t0ken")) == built(yard)
    assert {headers["Host"] for _, headers in server.seen} == {"packages.example.org"}

    async def who_are_you(request: web.Request) -> web.StreamResponse:
        return web.Response(status=407)

    server.answers["*"] = who_are_you
    why = await refused(Rejected, yard, url, Credentials())
    assert str(why) == "hive does not let us read metadata/2.root.json: it answered 407"


async def test_a_proxy_that_is_not_there_is_named(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not the repository behind it, of which nothing is known."""
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    why = await refused(Unavailable, yard, "http://packages.example.org", Credentials())
    text = "hive: metadata/2.root.json can't be had: no connection to the proxy 127.0.0.1:1: Connection refused"
    assert str(why) == text


async def test_a_server_that_is_not_there_is_named(yard: Yard) -> None:
    """With its port and the system's words."""
    why = await refused(Unavailable, yard, "http://127.0.0.1:1", Credentials())
    assert str(why) == "hive: metadata/2.root.json can't be had: no connection to 127.0.0.1:1: Connection refused"


async def test_https_where_nobody_speaks_it_is_said(yard: Yard, server: Server, authority: Authority) -> None:
    """A wrong port, or a wrong scheme."""
    why = await refused(Unavailable, yard, server.url.replace("http:", "https:"), Credentials())
    assert str(why).startswith("hive: metadata/2.root.json can't be had: no TLS with 127.0.0.1:")
    assert ssl.OPENSSL_VERSION not in str(why)
    assert "_ssl.c" not in str(why)
