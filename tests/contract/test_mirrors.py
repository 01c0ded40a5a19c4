"""Copies of a signed repository: made, served, believed as far as their signatures, and passed over where they fail."""

import logging
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import MetaFile, TargetFile, Timestamp

from beeyard.adapters.fetcher import FolderFetcher
from beeyard.adapters.repositories.copying import STATE, Choice, Copy
from beeyard.adapters.repositories.publishing import Workshop, files, promote, publish, yank
from beeyard.adapters.repositories.publishing.workshop import utc
from beeyard.adapters.repositories.tuf import TufRepository
from beeyard.domain.errors import NotFound, Refused, Untrusted
from beeyard.domain.sources import Credentials, Mirror
from tests.deltas import Host, Publisher
from tests.repositories import Yard, serving

BUILDS = (("caddy", "2.11.4"), ("caddy", "2.11.6"), ("caddy", "2.11.7"), ("tool", "1.0"))


async def mirrored(yard: Yard | Publisher, folder: Path, choice: Choice = Choice(), source: str = "") -> list[str]:  # noqa: B008
    """What came."""
    root = (yard.folder / "metadata" / "1.root.json").read_bytes()
    repository = TufRepository("hive", source or str(yard.folder), root, folder / STATE)
    told: list[str] = []
    await Copy(repository, folder, FolderFetcher(folder / STATE / "dl"), choice, told.append).run()
    return told


def reader(yard: Yard, url: str, *mirrors: str, credentials: Credentials = Credentials()) -> TufRepository:  # noqa: B008
    """Somebody new, who knows of mirrors."""
    cache = yard.home / "cache" / "-".join(mirrors).replace("/", "")
    return TufRepository(
        "hive", url, yard.pinned(), cache, credentials=credentials, mirrors=[Mirror(one) for one in mirrors]
    )


async def versions(repository: TufRepository, package: str = "caddy") -> list[str]:
    """What there is of a package, each of it described."""
    await repository.refresh()
    offers = await repository.offers(package)
    return [(await repository.describe(one)).manifest.version for one in offers]


async def test_a_copy_is_a_repository_like_the_one_that_was_copied(tmp_path: Path) -> None:
    """Whoever pins the owner's root can take all of it from the copy alone."""
    yard = Yard(tmp_path).published(*BUILDS)
    promote(yard.workshop, "caddy:2.11.6", "stable")
    publish(yard.workshop)
    assert len(await mirrored(yard, tmp_path / "copy")) == len(BUILDS)
    copy = reader(yard, str(tmp_path / "copy"))
    assert await versions(copy) == ["2.11.4", "2.11.6", "2.11.7"]
    assert [one.version for one in await copy.offers("caddy") if one.channels == ("stable",)] == ["2.11.6"]
    described = await copy.describe((await copy.offers("tool"))[0])
    (source,) = copy.sources(described.payload)
    payload = await FolderFetcher(tmp_path / "dl").fetch(
        source, described.payload.size, described.payload.sha256, print
    )
    assert Path(payload).read_bytes() == b"tool-1.0-any " * 50


async def test_what_is_there_is_not_brought_again(tmp_path: Path) -> None:
    """Neither by a second run nor after one that was cut off; what is new is."""
    yard = Yard(tmp_path).published(*BUILDS)
    await mirrored(yard, tmp_path / "copy")
    assert await mirrored(yard, tmp_path / "copy") == []
    yard.published(("caddy", "2.12"))
    half = next(path for path in (tmp_path / "copy").rglob("*.tar.zst") if "2.11.7" in str(path))
    half.write_bytes(half.read_bytes()[:100])
    assert [one.partition(":")[0] for one in await mirrored(yard, tmp_path / "copy")] == ["caddy 2.11.7", "caddy 2.12"]
    assert "2.12" in await versions(reader(yard, str(tmp_path / "copy")))


async def test_a_part_can_be_copied(tmp_path: Path) -> None:
    """By name and number, and what a channel points to; what was wanted once goes."""
    yard = Yard(tmp_path).published(*BUILDS)
    promote(yard.workshop, "caddy:2.11.4", "stable")
    publish(yard.workshop)
    await mirrored(yard, tmp_path / "copy")
    assert await mirrored(yard, tmp_path / "copy", Choice(("cad*",), ("linux-x86_64",), keep=1)) == []
    payloads = sorted(path.parents[1].name for path in (tmp_path / "copy").rglob("*.tar.zst"))
    assert payloads == ["2.11.4", "2.11.7"]
    with pytest.raises(NotFound, match="has no package that is wanted"):
        await mirrored(yard, tmp_path / "copy", Choice(("nothing",)))


async def test_nothing_that_was_not_signed_is_copied(tmp_path: Path) -> None:
    """A repository that was changed is refused, and the copy stays as it was."""
    yard = Yard(tmp_path).published(*BUILDS)
    for payload in yard.folder.rglob("*.tar.zst"):
        payload.write_bytes(payload.read_bytes()[:-1] + b"!")
    with pytest.raises(Untrusted):
        await mirrored(yard, tmp_path / "copy")
    assert not (tmp_path / "copy" / "metadata" / "timestamp.json").exists()


async def test_mirrors_are_asked_first(tmp_path: Path) -> None:
    """And the repository itself for nothing, while they have all of it."""
    yard = Yard(tmp_path).published(*BUILDS)
    await mirrored(yard, tmp_path / "copy")
    async with serving(yard.folder) as origin, serving(tmp_path / "copy") as near:
        repository = reader(yard, origin.url, near.url)
        assert await versions(repository) == ["2.11.4", "2.11.6", "2.11.7"]
        described = await repository.describe((await repository.offers("caddy"))[0])
        sources = [one.url.rpartition("/targets/")[0] for one in repository.sources(described.payload)]
        assert (origin.paths(), sources) == ([], [near.url, origin.url])


@pytest.mark.parametrize("wrong", ["gone", "changed", "empty", "out of date"])
async def test_a_mirror_that_is_of_no_use_is_passed_over(
    wrong: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With its reason in the log; the next one is asked, and in the end the repository itself."""
    yard = Yard(tmp_path).published(*BUILDS)
    await mirrored(yard, tmp_path / "copy")
    if wrong == "out of date":
        over = Timestamp(9, expires=utc() - timedelta(days=1), snapshot_meta=MetaFile(yard.snapshot().version))
        fresh = (yard.folder / "metadata" / "timestamp.json").read_bytes()
        (tmp_path / "copy" / "metadata" / "timestamp.json").write_bytes(yard.forge("timestamp", over))
        (yard.folder / "metadata" / "timestamp.json").write_bytes(fresh)
    async with serving(yard.folder) as origin, serving(tmp_path / "copy") as near:
        repository = reader(yard, origin.url, near.url)
        match wrong:
            case "gone":
                shutil.rmtree(tmp_path / "copy" / "metadata")
            case "changed":
                for role in (tmp_path / "copy" / "metadata").glob("*.acme.json"):
                    role.write_bytes(role.read_bytes().replace(b"2.11.4", b"2.11.5"))
            case "empty":
                shutil.rmtree(tmp_path / "copy" / "targets")
        with caplog.at_level(logging.WARNING, "beeyard"):
            found = await versions(repository)
        assert found[:3] == ["2.11.4", "2.11.6", "2.11.7"]
        assert origin.paths()
    assert all(one.startswith(f"hive: its mirror {near.url}/ is passed over: ") for one in caplog.messages)
    assert caplog.messages


async def test_a_mirror_that_is_older_than_what_was_seen_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever knows a newer state is not led back by it, as good as its signatures may be."""
    yard = Yard(tmp_path).published(*BUILDS)
    await mirrored(yard, tmp_path / "copy")
    yard.published(("caddy", "2.12"))
    root, memory = yard.pinned(), tmp_path / "memory"
    async with serving(yard.folder) as origin, serving(tmp_path / "copy") as near:
        assert "2.12" in await versions(TufRepository("hive", origin.url, root, memory))
        later = TufRepository("hive", origin.url, root, memory, mirrors=[Mirror(near.url)])
        with caplog.at_level(logging.WARNING, "beeyard"):
            assert "2.12" in await versions(later)
    (line,) = caplog.messages
    assert line.startswith(f"hive: its mirror {near.url}/ is passed over: ")
    assert "is older than what was there before" in line


async def test_a_mirror_sees_no_credentials(tmp_path: Path) -> None:
    """They are the repository's own, also where a mirror is passed over."""
    yard = Yard(tmp_path).published(*BUILDS)
    await mirrored(yard, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "targets")
    async with serving(yard.folder) as origin, serving(tmp_path / "copy") as near:
        repository = reader(yard, origin.url, near.url, credentials=Credentials(token="s3cret"))
        await versions(repository)
        described = await repository.describe((await repository.offers("caddy"))[0])
        shown = [source.headers for source in repository.sources(described.payload)]
    assert shown == [{}, {"Authorization": "Bearer s3cret"}]
    assert near.seen
    assert not [headers for _, headers in near.seen if "Authorization" in headers]
    assert {headers.get("Authorization") for _, headers in origin.seen} == {"Bearer s3cret"}


async def test_what_a_mirror_lacks_is_installed_from_the_repository(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Payloads as well; what it has comes from it, deltas too. A part may be copied: to lack something is no fault."""
    caplog.set_level(logging.INFO, "beeyard")
    publisher = Publisher(tmp_path)
    publisher.publish("1.0", "1.1")
    await mirrored(publisher, tmp_path / "copy")
    for payload in (tmp_path / "copy").rglob("*.tar.zst"):
        payload.unlink()
    async with serving(publisher.folder) as origin, serving(tmp_path / "copy") as near:
        host = Host(tmp_path / "host", publisher.spec(url=origin.url, mirrors=(Mirror(near.url),)))
        await host.install("1.0")
        assert (await host.install("1.1")).saved > 0
        assert [path.endswith("payload.tar.zst") for path in origin.paths()] == [True]
        assert sum(path.endswith(".zpatch") for path in near.paths()) == 1
    (line,) = [one for one in caplog.records if "is looked for elsewhere: " in one.message]
    assert (line.levelname, line.message.partition(" is ")[0]) == ("INFO", "tool 1.0")


async def test_a_mirror_sees_its_own_credentials_alone(tmp_path: Path) -> None:
    """Neither those of the repository nor those of another mirror, whether it is a copy or a neighbour."""
    yard = Yard(tmp_path).published(*BUILDS)
    await mirrored(yard, tmp_path / "copy")
    async with serving(yard.folder) as origin, serving(tmp_path / "copy") as near, serving(tmp_path / "no") as other:
        mirrors = [
            Mirror(near.url, credentials=Credentials(token="near")),
            Mirror(other.url, neighbour=True, credentials=Credentials(username="bee", password="neighbour")),
        ]
        own = Credentials(token="own")
        root = yard.pinned()
        repository = TufRepository("hive", origin.url, root, tmp_path / "cache", credentials=own, mirrors=mirrors)
        await versions(repository)
        described = await repository.describe((await repository.offers("caddy"))[0])
        shown = {
            one.url.partition("/v1/")[0].partition("/targets")[0]: one for one in repository.sources(described.payload)
        }
    assert shown[near.url].headers == {"Authorization": "Bearer near"}
    assert shown[other.url].headers["Authorization"].startswith("Basic ")
    assert shown[origin.url].headers == {"Authorization": "Bearer own"}
    assert [one.spare for one in shown.values()] == [True, True, False]
    assert {headers.get("Authorization") for _, headers in near.seen} == {"Bearer near"}
    assert other.seen == []


POINTERS = {
    "elsewhere": "channels/stable/../../../../victim/x.json",
    "of another channel": "channels/edge/acme.caddy.json",
    "no pointer": "channels/stable/x.pth",
}


@pytest.mark.parametrize("path", POINTERS.values(), ids=POINTERS)
async def test_a_channel_says_nothing_in_a_place_that_is_not_its_own(path: str, tmp_path: Path) -> None:
    """Whoever has its key has no say in where files are written."""
    yard, copy = Yard(tmp_path).published(*BUILDS), tmp_path / "deep" / "copy"
    promote(yard.workshop, "caddy:2.11.6", "stable")
    publish(yard.workshop)
    role, data = yard.role("channel-stable"), b'{"version": "1.0"}'
    role.targets[path] = target = TargetFile.from_data(path, data, ["sha256"])
    folder, _, name = path.rpartition("/")
    files.write(yard.folder / "targets" / folder / f"{target.hashes['sha256']}.{name}", data)
    yard.renew("channel-stable", role)
    await mirrored(yard, copy)
    assert [file for file in copy.parent.rglob(f"*{target.hashes['sha256']}*") if STATE not in file.parts] == []
    assert [one.name for one in copy.parent.iterdir()] == ["copy"]
    channels = {one.version: one.channels for one in await reader(yard, str(copy)).offers("caddy")}
    assert channels["2.11.6"] == ("stable",)


@pytest.mark.parametrize("role", ["acme", "channel-stable"])
async def test_a_digest_that_is_none_is_refused(role: str, tmp_path: Path) -> None:
    """It would be looked for as a file; and a pointer that nobody can read lies in no copy."""
    yard = Yard(tmp_path).published(*BUILDS)
    promote(yard.workshop, "caddy:2.11.6", "stable")
    publish(yard.workshop)
    signed = yard.role(role)
    for target in signed.targets.values():
        target.hashes["sha256"] = "/dev/zero"
    yard.renew(role, signed)
    indexes = await yard.reader().roles()
    assert [name for name, one in indexes.items() if one.refused] == [role]


async def test_a_pointer_that_can_not_be_read_is_not_copied(tmp_path: Path) -> None:
    """It was signed, so whoever signed it hears of it in words."""
    yard = Yard(tmp_path).published(*BUILDS)
    promote(yard.workshop, "caddy:2.11.6", "stable")
    publish(yard.workshop)
    path, data, role = "channels/stable/acme.caddy.json", b"import os", yard.role("channel-stable")
    role.targets[path] = target = TargetFile.from_data(path, data, ["sha256"])
    name = f"{target.hashes['sha256']}.acme.caddy.json"
    files.write(yard.folder / "targets" / "channels" / "stable" / name, data)
    yard.renew("channel-stable", role)
    with pytest.raises(Untrusted, match="was signed and yet can't be read"):
        await mirrored(yard, tmp_path / "copy")
    assert [*(tmp_path / "copy").rglob(name)] == []


@pytest.mark.parametrize("source", ["{}", "{}/", "file://{}", "{}/../linked"])
async def test_no_repository_is_made_a_copy(source: str, tmp_path: Path) -> None:
    """Neither of itself nor of another one: it would lose what is not wanted."""
    yard = Yard(tmp_path).published(*BUILDS)
    (tmp_path / "linked").symlink_to(yard.folder)
    before = sorted(yard.folder.rglob("*"))
    for times in range(2):
        with pytest.raises(Refused, match="is a repository and no copy of one"):
            await mirrored(yard, yard.folder, Choice(("tool",)), source.format(yard.folder))
        assert sorted(yard.folder.rglob("*")) == before, times
    other = Yard(tmp_path / "other").published(("other", "1.0"))
    before = sorted(other.folder.rglob("*"))
    with pytest.raises(Refused, match="is a repository and no copy of one"):
        await mirrored(yard, other.folder, source=source.format(yard.folder))
    assert sorted(other.folder.rglob("*")) == before
    await mirrored(yard, tmp_path / "copy")
    with pytest.raises(Refused, match="is a repository and no copy of one"):
        await mirrored(yard, tmp_path / "copy", Choice(("tool",)), str(tmp_path / "copy"))


async def test_nobody_works_on_a_copy_that_is_being_made(tmp_path: Path) -> None:
    """Neither another run, nor somebody who takes it for a repository to be changed."""
    yard, copy, said = Yard(tmp_path).published(*BUILDS), tmp_path / "copy", list[str]()
    await mirrored(yard, copy)
    yard.published(("caddy", "2.12"))

    def told(line: str) -> None:
        with pytest.raises(Refused, match="somebody else works in"), Workshop(copy, tmp_path, patience=0).open():
            pass
        said.append(line)

    repository = TufRepository("hive", str(yard.folder), yard.pinned(), copy / STATE)
    await Copy(repository, copy, FolderFetcher(copy / STATE / "dl"), Choice(), told).run()
    assert len(said) == 1


@pytest.fixture
async def late(tmp_path: Path) -> Yard:
    """A repository whose first origin of two is out of date, after it was copied."""
    yard = Yard(tmp_path)
    yard.add(("brush", "1.0"), origin="lazy")
    yard.published(*BUILDS)
    await mirrored(yard, tmp_path / "copy")
    role = yard.role("lazy")
    role.expires = utc() - timedelta(days=1)
    yard.renew("lazy", role)
    return yard


async def test_an_origin_out_of_date_is_so_in_a_copy_too(late: Yard, tmp_path: Path) -> None:
    """It costs its own packages there, with the same words, and no others; what was copied before stays."""
    for folder, there in {
        "copy": ["brush", "caddy", "caddy", "caddy", "tool"],
        "new": ["caddy"] * 3 + ["tool"],
    }.items():
        await mirrored(late, tmp_path / folder)
        payloads = sorted(path.parts[-4] for path in (tmp_path / folder / "targets").rglob("*.payload.tar.zst"))
        assert payloads == there
        copy = reader(late, str(tmp_path / folder))
        assert await versions(copy) == ["2.11.4", "2.11.6", "2.11.7"]
        with pytest.raises(Untrusted, match="what lazy signed is out of date"):
            await copy.offers("brush")


async def test_a_copy_is_used_although_an_origin_is_out_of_date(late: Yard, tmp_path: Path) -> None:
    """It is there for when the repository itself is gone."""
    await mirrored(late, tmp_path / "copy")
    near, gone = str(tmp_path / "copy"), str(tmp_path / "gone")
    assert await versions(reader(late, gone, near)) == ["2.11.4", "2.11.6", "2.11.7"]


async def test_what_is_wanted_of_an_origin_out_of_date_alone_is_refused(late: Yard, tmp_path: Path) -> None:
    """A copy without all that was asked for would be none."""
    with pytest.raises(Untrusted, match="what lazy signed is out of date"):
        await mirrored(late, tmp_path / "new", Choice(("brush",)))


async def test_the_newest_are_those_that_a_host_would_take(tmp_path: Path) -> None:
    """What was yanked and what is a pre-release do not count, unless nothing else is there or they are named."""
    yard = Yard(tmp_path).published(*BUILDS, ("caddy", "2.12rc1"), ("tool", "2.0b1"), ("only", "1.0a1"))
    yank(yard.workshop, "caddy:2.11.7", "broken")
    publish(yard.workshop)

    async def kept(*names: str) -> list[str]:
        await mirrored(yard, tmp_path / "copy", Choice(names, (), keep=1))
        return sorted("-".join(path.parts[-4:-2]) for path in (tmp_path / "copy").rglob("*.payload.tar.zst"))

    assert await kept("*") == ["caddy-2.11.6", "only-1.0a1", "tool-1.0"]
    assert await kept("caddy:2.11.7", "tool:>=2.0b1") == ["caddy-2.11.7", "tool-2.0b1"]
