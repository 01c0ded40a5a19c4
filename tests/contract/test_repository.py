"""What every repository does, signed or not, in a folder or on the web."""

import asyncio
import hashlib
import json
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from beeyard.adapters.repositories import REPOSITORIES, repository
from beeyard.adapters.repositories.directory import DirectoryRepository
from beeyard.adapters.repositories.publishing import promote, publish, yank
from beeyard.domain.errors import Invalid, NotFound, Unavailable, Untrusted
from beeyard.domain.packages import Trust
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.repository import Offer, Repository
from tests.repositories import Server, Yard, a_build, serving

BUILDS = (("caddy", "2.11.4"), ("caddy", "2.11.7"), ("caddy-extras", "1.0"))


class Case:
    """A repository with BUILDS. `gone`: take it away; `more`: add a build."""

    repository: Repository
    trust: Trust
    gone: Callable[[], None]
    more: Callable[[str, str], object]


@asynccontextmanager
async def signed(folder: Path, web: bool) -> AsyncIterator[Case]:
    """With TUF."""
    yard = Yard(folder).published(*BUILDS)
    async with serving(yard.folder) as server:
        case = Case()
        case.repository = yard.reader(server.url if web else None)
        case.trust = "tuf"
        case.gone = lambda: moved(yard.folder, server)
        case.more = lambda *build: yard.published(build)
        yield case


@asynccontextmanager
async def unsigned(folder: Path, web: bool) -> AsyncIterator[Case]:
    """Just files."""
    place = folder / "builds"

    def more(name: str, version: str) -> None:
        a_build(place, name, version)
        names = sorted(file.name for file in place.glob("*.json") if file.name != "index.json")
        (place / "index.json").write_text(json.dumps(names))

    for build in BUILDS:
        more(*build)
    async with serving(place) as server:
        case = Case()
        case.repository = DirectoryRepository("hive", server.url if web else str(place))
        case.trust = "checksum"
        case.gone = lambda: moved(place, server)
        case.more = more
        yield case


def moved(folder: Path, server: Server) -> None:
    """Neither the folder nor the server has it any more."""
    server.folder = folder.rename(folder.with_name("elsewhere")) / "nowhere"


KINDS = {"tuf": signed, "unsigned": unsigned}


def test_every_kind_is_tested() -> None:
    """A new one in the table has to be added here."""
    assert KINDS.keys() == REPOSITORIES.keys()


@pytest.fixture(params=[(kind, web) for kind in KINDS for web in (False, True)], ids=str)
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    """Each kind, in a folder and on the web."""
    kind, web = request.param
    async with KINDS[kind](tmp_path, web) as case:
        yield case


async def test_it_offers_every_build_of_a_package_and_no_other(case: Case) -> None:
    """A name that merely begins alike is another package."""
    await case.repository.refresh()
    offers = await case.repository.offers("caddy")
    assert sorted(offers, key=lambda offer: offer.version) == [
        Offer("caddy", "2.11.4", "any"),
        Offer("caddy", "2.11.7", "any"),
    ]
    assert await case.repository.offers("nothing") == []
    assert await case.repository.packages() == ["caddy", "caddy-extras"]
    assert case.repository.name == "hive"
    assert case.repository.trust == case.trust


async def test_a_description_leads_to_the_payload_it_describes(case: Case) -> None:
    """What lies at the source has the size and the digest that were told."""
    description = await case.repository.describe(Offer("caddy", "2.11.7", "any"))
    assert (description.manifest.name, description.manifest.version) == ("caddy", "2.11.7")
    (source,) = case.repository.sources(description.payload)
    assert source.headers == {}
    with await asyncio.to_thread(urllib.request.urlopen, source.url) as answer:
        data = answer.read()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (description.payload.size, description.payload.sha256)


async def test_what_is_new_is_offered_after_a_refresh(case: Case) -> None:
    """And not before."""
    before = await case.repository.offers("caddy")
    case.more("caddy", "2.12.0")
    assert await case.repository.offers("caddy") == before
    await case.repository.refresh()
    assert Offer("caddy", "2.12.0", "any") in await case.repository.offers("caddy")


async def test_a_repository_out_of_reach_says_so_and_still_tells_what_it_knew(case: Case) -> None:
    """The refresh fails; what was known before it is as it was."""
    before = await case.repository.offers("caddy")
    case.gone()
    with pytest.raises(Unavailable) as caught:
        await case.repository.refresh()
    assert caught.value.fields["repository"] == "hive"
    assert await case.repository.offers("caddy") == before


async def test_a_folder_that_was_moved_away_is_named(tmp_path: Path) -> None:
    """It is not mistaken for a repository that lacks a file."""
    for kind, made in KINDS.items():
        (tmp_path / kind).mkdir()
        async with made(tmp_path / kind, False) as case:
            case.gone()
            with pytest.raises(Unavailable) as caught:
                await case.repository.refresh()
        assert caught.value.code == "repository_unreachable"
        assert str(caught.value).startswith("hive: ")
        assert str(tmp_path / kind) in str(caught.value)
        assert "look at its `path`" in caught.value.hint


async def test_what_is_not_offered_can_not_be_described(case: Case) -> None:
    """The text names all three."""
    with pytest.raises(NotFound) as caught:
        await case.repository.describe(Offer("caddy", "9.9", "any"))
    assert str(caught.value) == "hive has no caddy:9.9 for any"


async def test_channels_and_yanked_versions_are_told(tmp_path: Path) -> None:
    """A channel may go back to an older version: that is a newer word of its owner."""
    yard = Yard(tmp_path).published(*BUILDS)
    reader = yard.reader()
    promote(yard.workshop, "caddy:2.11.7", "stable")
    yank(yard.workshop, "caddy-extras:1.0", "loses data")
    publish(yard.workshop)
    await reader.refresh()
    assert [offer.channels for offer in await reader.offers("caddy")] == [(), ("stable",)]
    assert [offer.yanked for offer in await reader.offers("caddy-extras")] == ["loses data"]
    promote(yard.workshop, "caddy:2.11.4", "stable")
    publish(yard.workshop)
    await reader.refresh()
    assert [offer.channels for offer in await reader.offers("caddy")] == [("stable",), ()]


@pytest.mark.parametrize("location", ["ftp://there/x", "http:///x", "https://me:secret@there/x", "http://there/?x=1"])
def test_a_location_that_is_none_is_refused_and_no_secret_told(location: str) -> None:
    """Credentials within a URL would end up in logs."""
    with pytest.raises(Invalid) as caught:
        DirectoryRepository("hive", location)
    assert caught.value.code == "repository_location"
    assert "secret" not in str(caught.value)


async def test_each_kind_is_made_of_what_the_worker_file_says(tmp_path: Path) -> None:
    """In a folder or on the web; only a signed one needs a root."""
    yard = Yard(tmp_path).published(*BUILDS)
    root = str(yard.folder / "metadata" / "1.root.json")
    async with serving(yard.folder) as server:
        for spec in (
            RepositorySpec("hive", url=server.url, root=root),
            RepositorySpec("hive", path=str(yard.folder), root=root),
            RepositorySpec("hive", path=str(tmp_path / "builds"), trust="unsigned"),
        ):
            made = repository(spec, tmp_path / "cache")
            await made.refresh()
            assert len(await made.offers("caddy")) == 2
            assert made.trust == {"tuf": "tuf", "unsigned": "checksum"}[spec.trust]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (RepositorySpec("hive", path="/srv"), "hive has no `root`"),
        (RepositorySpec("hive", path="/srv", root="/no"), "the root of hive, /no, can't be read: No such file"),
        (RepositorySpec("hive", trust="unsigned"), "hive needs either a `url` or a `path`"),
        (RepositorySpec("hive", url="http://x", path="/srv", trust="unsigned"), "hive needs either a `url` or a"),
    ],
)
def test_what_the_worker_file_lacks_is_said(tmp_path: Path, spec: RepositorySpec, text: str) -> None:
    """Before anything is asked of the repository."""
    with pytest.raises(Invalid) as caught:
        repository(spec, tmp_path)
    assert str(caught.value).startswith(text)
    assert caught.value.hint


async def test_what_else_lies_in_an_unsigned_folder_is_overlooked(tmp_path: Path) -> None:
    """A payload whose description is not there yet, and files of other programs."""
    build = a_build(tmp_path, "caddy", "2.11.4")
    a_build(tmp_path, "caddy", "2.11.7").with_name("caddy-2.11.7-any.json").unlink()
    (tmp_path / "settings.json").write_text("[]")
    reader = DirectoryRepository("hive", str(build.parent))
    assert [offer.version for offer in await reader.offers("caddy")] == ["2.11.4"]


WRONG = {
    "no index": ({}, Unavailable, "hive holds no index.json"),
    "index that is none": ({"index.json": b"{}"}, Untrusted, "hive: index.json can't be read: "),
    "index that leads away": (
        {"index.json": b'["../x.json"]'},
        Untrusted,
        "hive: index.json can't be read: '../x.json' is no name of a file",
    ),
    "description that is not there": ({"index.json": b'["x.json"]'}, Unavailable, "hive holds no x.json"),
    "description that is none": (
        {"index.json": b'["x.json"]', "x.json": b"{}"},
        Untrusted,
        "hive: x.json can't be read: Object missing required field",
    ),
}


@pytest.mark.parametrize("case", WRONG)
async def test_an_unsigned_repository_that_is_wrong_says_what(tmp_path: Path, case: str) -> None:
    """With the name of the file."""
    files, kind, text = WRONG[case]
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    async with serving(tmp_path) as server:
        with pytest.raises(kind) as caught:
            await DirectoryRepository("hive", server.url).refresh()
    assert str(caught.value).startswith(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('"version":"2.11.4"', '"version":"soon"', "'soon' is not a version such as 1.2.3"),
        ('"payload":{"name":"', '"payload":{"name":"../', "its payload lies elsewhere"),
    ],
)
async def test_an_unsigned_description_that_is_no_good_is_refused(
    tmp_path: Path, old: str, new: str, text: str
) -> None:
    """A version that can't be compared, a payload in another folder."""
    file = a_build(tmp_path, "caddy", "2.11.4").with_name("caddy-2.11.4-any.json")
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(Untrusted) as caught:
        await DirectoryRepository("hive", str(tmp_path)).refresh()
    assert str(caught.value) == f"hive: {file.name} can't be read: {text}"


async def test_two_different_builds_of_one_version_are_refused(tmp_path: Path) -> None:
    """Which one is meant nobody could say."""
    first, second = a_build(tmp_path, "caddy", "2.11.4"), a_build(tmp_path, "caddy", "2.11.7")
    file = second.with_name("caddy-2.11.7-any.json")
    file.write_bytes(first.with_name("caddy-2.11.4-any.json").read_bytes().replace(b'"run"', b'"ran"'))
    with pytest.raises(Untrusted) as caught:
        await DirectoryRepository("hive", str(tmp_path)).refresh()
    assert str(caught.value) == "hive has two different builds of caddy:2.11.4 for any"
