"""A signed repository is made in steps that nobody sees, becomes visible in one, and bears no wrong key on the way."""

import asyncio
import stat
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from beeyard.adapters.repositories.publishing import Workshop, add, files, init, keys, promote, publish, sign, yank
from beeyard.adapters.repositories.publishing.workshop import utc
from beeyard.domain.errors import BeeyardError, Denied, Invalid, NotFound, Refused, Untrusted
from beeyard.ports.repository import Offer
from tests.repositories import Yard, a_build


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """With one package."""
    return Yard(tmp_path).published(("caddy", "2.11.4"))


def versions(yard: Yard) -> list[str]:
    """What somebody reads who never did before."""

    async def read() -> list[str]:
        reader = yard.reader(name=str(len(list((yard.home / "cache").glob("*")))))
        return [offer.version for offer in await reader.offers("caddy")]

    (yard.home / "cache").mkdir(exist_ok=True)
    return asyncio.run(read())


def test_nothing_is_visible_before_it_is_published(yard: Yard) -> None:
    """Neither a build nor a channel nor a yank."""
    yard.add(("caddy", "2.11.7"))
    promote(yard.workshop, "caddy:2.11.7", "stable")
    yank(yard.workshop, "caddy:2.11.4", "slow")
    assert versions(yard) == ["2.11.4"]
    done = publish(yard.workshop)
    assert versions(yard) == ["2.11.4", "2.11.7"]
    assert done.did[0] == "made snapshot 2: 3 roles"


def test_a_reader_at_any_moment_sees_the_state_before_or_after(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody reads between any two files that are written, with a new root and new keys for what lies offline too."""
    seen: list[tuple[str, list[str]]] = []
    real = files.write

    def write(path: Path, data: bytes, mode: int = files.PUBLIC) -> None:
        seen.append((f"before {path.name}", versions(yard)))
        real(path, data, mode)
        seen.append((f"after {path.name}", versions(yard)))

    monkeypatch.setattr(files, "write", write)
    yard.add(("caddy", "2.11.7"))
    promote(yard.workshop, "caddy:2.11.7", "stable")
    sign(yard.workshop, yard.root_keys, rotate=["targets", "acme"])
    publish(yard.workshop)
    assert len(seen) > 20
    turn = [moment for moment, _ in seen].index("after timestamp.json")
    assert [found for _, found in seen[:turn]] == [["2.11.4"]] * turn
    assert seen[turn:] == [
        (moment, ["2.11.4", "2.11.7"]) for moment in ("after timestamp.json", "before 2.root.json", "after 2.root.json")
    ]


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp", "acme", "channel-stable"])
def test_a_key_is_replaced_and_readers_go_on(yard: Yard, role: str) -> None:
    """Those who read before the change, and those who read for the first time."""
    promote(yard.workshop, "caddy:2.11.4", "stable")
    publish(yard.workshop)
    old, reader = yard.key(role).public_key.keyid, yard.reader()
    asyncio.run(reader.refresh())
    sign(yard.workshop, yard.root_keys, rotate=[role])
    publish(yard.workshop)
    asyncio.run(reader.refresh())
    assert versions(yard) == ["2.11.4"]
    new = yard.key(role).public_key.keyid
    assert new != old
    assert yard.workshop.keyids(role) == [new]
    (retired,) = yard.workshop.key_folder.glob(f"{role}.key.retired-*")
    assert keys.load(retired).public_key.keyid == old


def test_what_was_stopped_between_a_key_and_its_role_is_done_again(yard: Yard) -> None:
    """A key that nobody names yet: that of a new origin is taken, and one that was to replace another is replaced."""
    keys.create(yard.workshop.key_file("wax"))
    yard.add(("wax", "1.0"), origin="wax")
    stopped = yard.workshop.key_file("acme")
    stopped.rename(stopped.with_name("aside"))
    keys.create(stopped)
    sign(yard.workshop, rotate=["acme"])
    publish(yard.workshop)
    assert versions(yard) == ["2.11.4"]
    assert yard.workshop.keyids("acme") == [yard.key("acme").public_key.keyid]
    assert [offer.version for offer in asyncio.run(yard.reader().offers("wax"))] == ["1.0"]


def test_a_root_waits_for_its_signatures(tmp_path: Path) -> None:
    """Two of three, of which one key is on another host: only its public half is named."""
    mine, theirs = tmp_path / "mine.key", keys.create(tmp_path / "theirs.key")
    workshop = Workshop(tmp_path / "repository", tmp_path / "keys")
    done = init(workshop, [mine, tmp_path / "theirs.pub", tmp_path / "third.key"], 3)
    assert done.did[-1] == "root 1 lacks 1 signature"
    with pytest.raises(Refused) as caught:
        publish(workshop)
    assert (caught.value.code, str(caught.value)) == ("root_unsigned", "the root lacks signatures: 1")
    stranger = tmp_path / "stranger.key"
    keys.create(stranger)
    with pytest.raises(Refused) as caught:
        sign(workshop, [stranger])
    assert str(caught.value) == f"{stranger} is none of the keys of root 1"
    assert sign(workshop, [tmp_path / "theirs.key"]).did[-1] == "root 1 has its signatures"
    assert publish(workshop).did[1] == f"made root 1 visible: readers pin {workshop.metadata / '1.root.json'}"
    root = workshop.root()
    assert root
    assert theirs.public_key.keyid in root.roles["root"].keyids


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_while_the_root_of_a_new_key_lacks_signatures_the_old_one_publishes(tmp_path: Path, role: str) -> None:
    """Also after it was replaced twice; then the new one does."""
    yard = Yard(tmp_path, threshold=2, root_keys=2).published(("caddy", "2.11.4"))
    old = yard.workshop.keyids(role)
    sign(yard.workshop, yard.root_keys[:1], rotate=[role])
    sign(yard.workshop, yard.root_keys[:1], rotate=[role])
    yard.add(("caddy", "2.11.7"))
    promote(yard.workshop, "caddy:2.11.7", "stable")
    assert "root 2 stays staged: it lacks 1 signature" in publish(yard.workshop).did
    assert versions(yard) == ["2.11.4", "2.11.7"]
    assert yard.workshop.keyids(role) == old
    sign(yard.workshop, yard.root_keys[1:])
    assert "made root 2 visible" in publish(yard.workshop).did
    assert versions(yard) == ["2.11.4", "2.11.7"]
    assert yard.workshop.keyids(role) == [yard.key(role).public_key.keyid] != old


def test_a_new_key_without_a_signed_root_and_without_the_old_one_publishes_nothing(tmp_path: Path) -> None:
    """The text says what to do."""
    yard = Yard(tmp_path, threshold=2, root_keys=2).published(("caddy", "2.11.4"))
    sign(yard.workshop, yard.root_keys[:1], rotate=["timestamp"])
    (old,) = yard.workshop.key_folder.glob("timestamp.key.retired-*")
    old.unlink()
    with pytest.raises(Refused) as caught:
        publish(yard.workshop)
    assert caught.value.code == "wrong_key"
    assert caught.value.hint == "a new root still lacks signatures: beeyard repo sign"
    assert versions(yard) == ["2.11.4"]
    sign(yard.workshop, yard.root_keys[1:])
    publish(yard.workshop)
    assert versions(yard) == ["2.11.4"]


def test_what_expires_before_long_is_renewed(tmp_path: Path) -> None:
    """And what has expired is not published, until it was."""
    yard = Yard(tmp_path, age=timedelta(days=400)).published(("caddy", "2.11.4"))
    yard.workshop.now = utc
    with pytest.raises(Refused) as caught:
        publish(yard.workshop)
    assert caught.value.code == "metadata_expired"
    assert str(caught.value).startswith("root expired on ")
    done = sign(yard.workshop, yard.root_keys)
    assert done.did == [
        "staged root 2",
        f"signed root 2 with {yard.root_keys[0]}",
        "renewed targets: version 3",
        "renewed acme: version 3",
        "root 2 has its signatures",
    ]
    publish(yard.workshop)
    assert versions(yard) == ["2.11.4"]
    assert sign(yard.workshop).did == ["nothing expires soon"]


def test_key_files_are_their_owners_and_locked_by_a_passphrase(tmp_path: Path) -> None:
    """The right one opens them, no one and a wrong one do not; a key that others can read is not used."""
    path = tmp_path / "root.key"
    made = keys.create(path, "open sesame")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in path.read_bytes()
    assert keys.load(path, "open sesame").public_key == made.public_key == keys.public(tmp_path / "root.pub")
    for passphrase, text in (("", f"{path} has a passphrase"), ("sesame", f"{path} has another passphrase")):
        with pytest.raises(Denied) as locked:
            keys.load(path, passphrase)
        assert str(locked.value) == text
    path.chmod(0o640)
    with pytest.raises(Refused) as exposed:
        keys.load(path, "open sesame")
    assert (exposed.value.code, exposed.value.hint) == ("key_exposed", f"chmod 600 {path}")


def test_what_is_added_is_what_was_built(yard: Yard, tmp_path: Path) -> None:
    """A payload that differs from its description is refused, and nothing of it stays."""
    build = a_build(tmp_path / "builds", "caddy", "2.12.0")
    build.write_bytes(build.read_bytes() + b" ")
    with pytest.raises(Untrusted) as caught:
        add(yard.workshop, [a_build(tmp_path / "builds", "caddy", "2.11.9"), build], "acme")
    assert str(caught.value) == f"{build} is not what its description says"
    publish(yard.workshop)
    assert versions(yard) == ["2.11.4"]
    assert not list(yard.folder.rglob(".new-*"))


def test_a_version_never_changes_and_adding_it_twice_is_harmless(yard: Yard, tmp_path: Path) -> None:
    """Not even its payload alone: readers may have it already."""
    build = tmp_path / "builds" / "caddy-2.11.4-any.tar.zst"
    assert add(yard.workshop, [build], "acme").did == ["added caddy:2.11.4 for any to acme"]
    description = build.with_name("caddy-2.11.4-any.json")
    description.write_bytes(description.read_bytes().replace(b'"run"', b'"ran"'))
    with pytest.raises(Refused) as caught:
        add(yard.workshop, [build], "acme")
    assert (caught.value.code, str(caught.value)) == (
        "version_taken",
        "acme has another caddy:2.11.4 for any already",
    )


def test_a_yanked_version_stays_yanked_when_it_is_added_again(yard: Yard, tmp_path: Path) -> None:
    """Adding says nothing about whether it is any good."""
    yank(yard.workshop, "caddy:2.11.4", "slow")
    add(yard.workshop, [tmp_path / "builds" / "caddy-2.11.4-any.tar.zst"], "acme")
    publish(yard.workshop)
    assert asyncio.run(yard.reader().offers("caddy")) == [Offer("caddy", "2.11.4", "any", "slow")]


@pytest.mark.parametrize("name", ["root", "targets", "snapshot", "timestamp", "channels", "channel-x", "A", "a/b", ""])
def test_an_origin_has_no_name_that_means_something_else(yard: Yard, tmp_path: Path, name: str) -> None:
    """Neither a role's nor a channel's nor a path."""
    with pytest.raises(Invalid) as caught:
        add(yard.workshop, [tmp_path / "builds" / "caddy-2.11.4-any.tar.zst"], name)
    assert caught.value.code == "origin_name"


WRONG: dict[str, tuple[Callable[[Yard, Path], object], type[BeeyardError], str]] = {
    "no repository": (
        lambda yard, path: publish(Workshop(path / "nowhere", path / "keys")),
        NotFound,
        "{path}/nowhere is no repository",
    ),
    "a repository already": (
        lambda yard, path: init(yard.workshop, yard.root_keys, 1),
        Refused,
        "{path}/repository is a repository already",
    ),
    "too high a threshold": (
        lambda yard, path: init(Workshop(path / "n", path / "k"), [path / "r.key"], 2),
        Invalid,
        "2 of 1 keys can't sign a root",
    ),
    "no such version": (
        lambda yard, path: promote(yard.workshop, "caddy:3", "stable"),
        NotFound,
        "{path}/repository has no caddy:3",
    ),
    "no version": (
        lambda yard, path: promote(yard.workshop, "caddy", "stable"),
        Invalid,
        "caddy: expected NAME:VERSION",
    ),
    "no channel": (
        lambda yard, path: promote(yard.workshop, "caddy:2.11.4", "Sta/ble"),
        Invalid,
        "Sta/ble is no name for a channel",
    ),
    "no reason": (
        lambda yard, path: yank(yard.workshop, "caddy:2.11.4", " "),
        Invalid,
        "a version is taken back for a reason",
    ),
    "no build": (
        lambda yard, path: add(yard.workshop, [path / "caddy.deb"], "acme"),
        Invalid,
        "{path}/caddy.deb is no build",
    ),
    "no description": (
        lambda yard, path: add(yard.workshop, [path / "x.tar.zst"], "acme"),
        NotFound,
        "{path}/x.json can't be read: No such file or directory",
    ),
    "no role": (
        lambda yard, path: sign(yard.workshop, rotate=["nobody"]),
        NotFound,
        "nobody has no key to rotate",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_can_not_be_done_is_said_with_a_hint(yard: Yard, tmp_path: Path, case: str) -> None:
    """And changes nothing that a reader sees."""
    what, kind, text = WRONG[case]
    before = {path: path.read_bytes() for path in yard.folder.rglob("*") if path.is_file()}
    with pytest.raises(kind) as caught:
        what(yard, tmp_path)
    assert str(caught.value) == text.format(path=tmp_path)
    assert caught.value.hint
    assert {path: path.read_bytes() for path in yard.folder.rglob("*") if path.is_file()} == before


def test_a_lost_key_is_named(yard: Yard) -> None:
    """With the file that should be there."""
    yard.workshop.key_file("snapshot").unlink()
    yard.add(("caddy", "2.12.0"))
    with pytest.raises(NotFound) as caught:
        publish(yard.workshop)
    assert str(caught.value) == f"the key {yard.workshop.key_file('snapshot')} can't be read: No such file or directory"


def test_somebody_elses_key_signs_nothing(yard: Yard) -> None:
    """A key of another role put in its place."""
    yard.workshop.key_file("acme").write_bytes(yard.workshop.key_file("targets").read_bytes())
    with pytest.raises(Refused) as caught:
        yard.add(("caddy", "2.12.0"))
    assert caught.value.code == "wrong_key"
    assert str(caught.value) == f"acme is not to be signed with the key {yard.workshop.key_file('acme')}"


def test_two_do_not_work_on_one_repository_at_once(yard: Yard) -> None:
    """The second is told so, if the first is not done before its patience is over."""
    with yard.workshop.open(), pytest.raises(Refused) as caught:
        publish(Workshop(yard.folder, yard.workshop.key_folder, patience=0))
    assert caught.value.code == "repository_busy"


def test_who_comes_second_waits_and_loses_nothing(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads nothing of the repository before the first is done with it."""
    held, real = threading.Event(), files._taken

    def taken(handle: int) -> bool:
        got = real(handle)
        if not got:
            held.set()
        return got

    monkeypatch.setattr(files, "_taken", taken)
    path = "acme/caddy/2.12.0/any/package.json"
    with yard.workshop.open():
        second = threading.Thread(target=yard.add, args=(("caddy", "2.12.0"),))
        second.start()
        assert held.wait(60)
        assert path not in yard.role("acme").targets
    second.join(60)
    assert path in yard.role("acme").targets


def test_a_key_in_a_variable_comes_before_one_in_a_file(yard: Yard) -> None:
    """As a pipeline has it; whether it is the right one is looked at all the same."""
    workshop, text = yard.workshop, yard.workshop.key_file("acme").read_text()
    workshop.given = {"BEEYARD_REPO_KEY_ACME": text}
    workshop.key_file("acme").unlink()
    yard.add(("caddy", "2.12.0"))
    workshop.given = {"BEEYARD_REPO_KEY_ACME": workshop.key_file("targets").read_text()}
    with pytest.raises(Refused) as caught:
        yard.add(("caddy", "2.13.0"))
    assert caught.value.code == "wrong_key"
    assert str(caught.value) == "acme is not to be signed with the key $BEEYARD_REPO_KEY_ACME"
    workshop.given = {"BEEYARD_REPO_KEY_ACME": "none"}
    with pytest.raises(Invalid, match=r"\$BEEYARD_REPO_KEY_ACME holds no Ed25519 key"):
        yard.add(("caddy", "2.13.0"))


@pytest.mark.parametrize("role", ["acme", "targets"])
def test_a_key_in_a_variable_is_not_replaced(yard: Yard, role: str) -> None:
    """It would stay in the variable and sign nothing any more. Nothing is changed, and what is there is published."""
    workshop = yard.workshop
    workshop.given = {f"BEEYARD_REPO_KEY_{role.upper()}": workshop.key_file(role).read_text()}
    before = {path: path.read_bytes() for path in yard.home.rglob("*") if path.is_file()}
    with pytest.raises(Refused) as caught:
        sign(workshop, yard.root_keys, rotate=[role])
    assert (caught.value.code, str(caught.value)) == (
        "key_in_variable",
        f"$BEEYARD_REPO_KEY_{role.upper()} holds the key of {role}",
    )
    assert {path: path.read_bytes() for path in yard.home.rglob("*") if path.is_file()} == before
    publish(workshop)
    assert versions(yard) == ["2.11.4"]
