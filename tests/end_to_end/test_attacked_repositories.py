"""Each way to cheat the readers of a repository, tried on a master whose worker runs from it.

Whoever cheats has the files and, where a function says so, keys. The package is there in two versions, of which the
newer runs; the older is in every state that is served, so nothing but trust keeps it from being installed.
"""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import MetaFile, Timestamp

from beeyard.adapters.repositories.publishing import publish, sign
from beeyard.adapters.repositories.publishing.workshop import utc
from tests.end_to_end.shelf import Server, Shelf, serving
from tests.end_to_end.test_packages import note, version, wish
from tests.end_to_end.test_secrets import Watched, watched
from tests.repositories import Yard

SECOND = timedelta(seconds=1)


class Crooked(Yard):
    """A shelf, its web server, how it was before the newer version came, and every key."""

    def __init__(self, shelf: Shelf, server: Server, before: Path) -> None:
        self.home, self.folder, self.workshop = shelf.home, shelf.folder, shelf.workshop
        self.root_keys = [shelf.home / "root.key"]
        self.shelf, self.server, self.before = shelf, server, before

    def replaced(self, folder: Path) -> None:
        """Serve this instead."""
        shutil.rmtree(self.folder)
        shutil.copytree(folder, self.folder)


def rollback(crooked: Crooked) -> None:
    """All of it as it was; every signature is right."""
    crooked.replaced(crooked.before)


def freeze(crooked: Crooked) -> None:
    """Nothing newer comes any more, until what there is has expired. (With the key: nobody waits a week.)"""
    snapshot = crooked.snapshot()
    data = (crooked.folder / "metadata" / f"{snapshot.version}.snapshot.json").read_bytes()
    meta = MetaFile.from_data(snapshot.version, data, ["sha256"])
    crooked.forge("timestamp", Timestamp(9, expires=utc() - SECOND, snapshot_meta=meta))


def mix_and_match(crooked: Crooked) -> None:
    """The newest state, but what the origin signed is an older one."""
    old = crooked.workshop.file("acme")
    crooked.shelf.put("tool", "3.0")
    new = crooked.workshop.file("acme")
    assert old
    assert new
    new.write_bytes(old.read_bytes())


def endless_data(crooked: Crooked) -> None:
    """A file that has no end for whoever believes what comes."""
    with (crooked.folder / "metadata" / "timestamp.json").open("ab") as file:
        file.truncate(64 * 2**20)


def slow_retrieval(crooked: Crooked) -> None:
    """A byte now and then."""
    crooked.server.trickles = True


def wrong_key(crooked: Crooked) -> None:
    """Another repository in its place, with packages of these names, all signed by its own keys."""
    other = Shelf(crooked.home / "other").put("tool", "1.0", "2.0", script="echo stolen; exec sleep 1000")
    crooked.replaced(other.folder)


def wrong_payload(crooked: Crooked) -> None:
    """The archive of the other version in the place of this one."""
    shutil.copyfile(crooked.shelf.payload("tool", "2.0"), crooked.shelf.payload("tool", "1.0"))


ATTACKS: dict[str, tuple[Callable[[Crooked], None], str]] = {
    "rollback": (rollback, "timestamp.json is older than what was there before"),
    "freeze": (freeze, "hive is out of date: timestamp.json was good until"),
    "mix and match": (mix_and_match, "acme.json does not belong to the state that was signed"),
    "endless data": (endless_data, "metadata/timestamp.json is longer than the"),
    "slow retrieval": (slow_retrieval, "came too slowly and was cut off"),
    "wrong key": (wrong_key, "timestamp.json is not signed by enough of those who may"),
    "wrong payload": (wrong_payload, "tool 1.0 from 127.0.0.1"),
}


def attacked(yard: Watched, crooked: Crooked, attack: Callable[[Crooked], None]) -> int:
    """Its worker runs, then this is done to its repository, then another worker wants the other version. The pid."""
    repository = crooked.shelf.spec(url=crooked.server.url)
    root = yard.file.with_name("root.json")
    shutil.copyfile(repository["root"], root)
    wish(yard, [repository | {"root": str(root)}], web="tool:==2.0")
    yard.run("up", "--detach")
    before = int(yard.running("web")["web"]["pid"])
    attack(crooked)
    wish(yard, [repository | {"root": str(root)}], web="tool:==2.0", other="tool:==1.0")
    yard.follow("up", "--detach")
    return before


def crook(folder: Path, shelf: Shelf, server: Server) -> Crooked:
    """Two versions, the newer one published after the other was copied."""
    shelf.put("tool", "1.0")
    before = Path(shutil.copytree(shelf.folder, folder / "before"))
    shelf.put("tool", "2.0")
    return Crooked(shelf, server, before)


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_starts_from_a_repository_that_cheats_and_what_runs_goes_on(tmp_path: Path, name: str) -> None:
    """The worker that wants something of it waits and says why; the other one's process is the same, and restarts."""
    shelf = Shelf(tmp_path / "shelf")
    attack, text = ATTACKS[name]
    with watched(tmp_path) as yard, serving(shelf) as server:
        before = attacked(yard, crook(tmp_path, shelf, server), attack)
        assert "tool:==1.0 can't be installed: " in note(yard, "other", text)
        assert yard.ps()["other"]["state"] == "preparing"
        assert yard.leaders("other") == []
        assert [view["version"] for view in yard.ask("package_list")] == ["2.0"]
        assert yard.running("web")["web"]["pid"] == before
        yard.run("restart", "web")
        assert version(yard) == "2.0"
        assert yard.leaders("other") == []


def test_a_repository_that_was_fast_forwarded_is_believed_again_once_its_root_says_so(tmp_path: Path) -> None:
    """With both online keys: versions so high that no honest one comes after. New keys end it; till then nothing."""
    shelf = Shelf(tmp_path / "shelf")

    def fast_forward(crooked: Crooked) -> None:
        snapshot = crooked.snapshot()
        snapshot.version = 2**31
        crooked.forge_state(snapshot, 2**31)
        yard.run("package", "search", "tool")
        for stolen in ("timestamp.json", f"{2**31}.snapshot.json"):
            (crooked.folder / "metadata" / stolen).unlink()
        publish(crooked.workshop)

    with watched(tmp_path) as yard, serving(shelf) as server:
        crooked = crook(tmp_path, shelf, server)
        before = attacked(yard, crooked, fast_forward)
        note(yard, "other", "timestamp.json is older than what was there before")
        assert yard.leaders("other") == []
        assert yard.running("web")["web"]["pid"] == before
        sign(crooked.workshop, crooked.root_keys, rotate=["snapshot", "timestamp"])
        publish(crooked.workshop)
        yard.run("restart", "other")
        yard.running("other")
        assert yard.running("web")["web"]["pid"] == before
