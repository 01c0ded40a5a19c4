"""The root gets other keys: the old ones say so, the new ones agree, and readers who pinned the first root follow."""

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from beeyard.adapters.repositories.publishing import Workshop, init, keys, publish, sign
from beeyard.domain.errors import Invalid, Refused
from tests.repositories import Yard


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """One package; two of three keys sign the root."""
    return Yard(tmp_path, threshold=2, root_keys=3).published(("caddy", "2.11.4"))


def versions(yard: Yard, name: str) -> list[str]:
    """What somebody reads who pinned the first root, and remembers under this name."""

    async def read() -> list[str]:
        return [offer.version for offer in await yard.reader(name=name).offers("caddy")]

    return asyncio.run(read())


def signers(yard: Yard) -> tuple[set[str], int]:
    """Whose signatures count for readers, and how many it takes."""
    root = yard.workshop.root()
    assert root
    return set(root.roles["root"].keyids), root.roles["root"].threshold


def test_a_lost_key_is_replaced_and_readers_of_the_first_root_follow(yard: Yard) -> None:
    """Twice over, so that who pinned root 1 comes to root 3: who knew root 1 only, and who reads for the first time."""
    first, second, third = yard.root_keys
    fourth, fifth = first.with_name("4.key"), first.with_name("5.key")
    assert versions(yard, "old") == ["2.11.4"]
    done = sign(yard.workshop, rotate=["root"], root_keys=[first, second, fourth])  # the third is lost
    assert done.did == [
        f"took the root key {first}",
        f"took the root key {second}",
        f"made the root key {fourth}: keep it offline",
        "root 2 has 3 keys, of which 2 must sign",
        "root 2 drops 1 of the keys before",
        "root 2 has its signatures",
    ]
    publish(yard.workshop)
    assert versions(yard, "second") == ["2.11.4"]
    sign(yard.workshop, [first, second], rotate=["root"], root_keys=[fourth, fifth], threshold=1)
    yard.published(("caddy", "2.12.0"))
    assert signers(yard) == ({keys.load(fourth).public_key.keyid, keys.load(fifth).public_key.keyid}, 1)
    for name in ("old", "second", "new"):
        assert versions(yard, name) == ["2.11.4", "2.12.0"]
        history = yard.home / "cache" / name / "metadata" / "root_history"
        assert (history / "3.root.json").read_bytes() == (yard.folder / "metadata" / "3.root.json").read_bytes()
    with pytest.raises(Refused) as caught:
        sign(yard.workshop, [third])
    assert caught.value.code == "wrong_key"


def test_a_changed_root_waits_for_the_keys_before_and_for_the_new(yard: Yard) -> None:
    """What it lacks is told of each; while it lacks anything readers see the root before."""
    before, (first, second, _) = signers(yard), yard.root_keys
    theirs = keys.create(yard.home / "theirs.key")
    chosen = [first.with_name("new.key"), yard.home / "theirs.pub"]
    done = sign(yard.workshop, rotate=["root"], root_keys=chosen)
    assert done.did[-2:] == [
        "root 2 drops 3 of the keys before",
        "root 2 lacks 2 signatures of the keys of root 1 and 1 signature of the new keys",
    ]
    assert done.next.startswith(f"beeyard repo sign {yard.folder} --key KEY")
    assert sign(yard.workshop, [first, second]).did[-1] == "root 2 lacks 1 signature of the new keys"
    assert "root 2 stays staged: it lacks 1 signature" in publish(yard.workshop).did
    assert signers(yard) == before
    assert sign(yard.workshop, [yard.home / "theirs.key"]).did[-1] == "root 2 has its signatures"
    publish(yard.workshop)
    assert theirs.public_key.keyid in signers(yard)[0]
    assert versions(yard, "new") == ["2.11.4"]


def test_two_machines_sign_one_after_the_other(yard: Yard, tmp_path: Path) -> None:
    """Each has a copy of the repository and its own root key, and neither has the keys of the other roles."""
    first, second, third = yard.root_keys
    sign(yard.workshop, rotate=["root"], root_keys=[tmp_path / "new.key", second.with_suffix(".pub")], threshold=2)
    for name, key in (("one", second), ("two", third)):
        carried = shutil.copytree(yard.folder, tmp_path / name / "repository")
        sign(Workshop(carried, tmp_path / name / "keys"), [key])
        shutil.copytree(carried / "staged", yard.folder / "staged", dirs_exist_ok=True)
    assert yard.workshop.missing() == 0
    publish(yard.workshop)
    assert signers(yard)[1] == 2
    assert keys.load(first).public_key.keyid not in signers(yard)[0]
    assert versions(yard, "new") == ["2.11.4"]


def test_what_expires_where_its_key_is_not_is_said_and_stops_no_signature(tmp_path: Path) -> None:
    """The machine with the root's key signs the root; the rest is renewed where its keys are."""
    yard = Yard(tmp_path, age=timedelta(days=300)).published(("caddy", "2.11.4"))
    offline = Workshop(yard.folder, tmp_path / "elsewhere")
    done = sign(offline, yard.root_keys)
    assert done.did[-1] == "root 2 has its signatures"
    (said,) = [line for line in done.did if line.startswith("acme ")]
    assert said.endswith(", and its key is not here: renew it where it is")


@pytest.mark.parametrize(
    ("given", "code", "text"),
    [
        ({"rotate": ["root"]}, "root_keys", "the keys of the root are replaced by naming all that it is to have"),
        ({"root_keys": ["new"]}, "root_keys", "the keys of the root are replaced by naming all that it is to have"),
        ({"threshold": 1}, "root_keys", "the keys of the root are replaced by naming all that it is to have"),
        ({"rotate": ["root"], "root_keys": ["new"]}, "threshold", "2 of 1 keys can't sign a root"),
        ({"rotate": ["root"], "root_keys": ["new"], "threshold": 0}, "threshold", "0 of 1 keys can't sign a root"),
        ({"rotate": ["root"], "root_keys": ["new", "new"]}, "threshold", "the same root key is named twice"),
    ],
)
def test_a_root_that_nobody_could_sign_is_refused_and_nothing_staged(
    yard: Yard, tmp_path: Path, given: dict[str, list[str]], code: str, text: str
) -> None:
    """Before a root is staged that stands in the way of the next."""
    named = {"root_keys": [tmp_path / f"{name}.key" for name in given.get("root_keys", [])]}
    with pytest.raises(Invalid) as caught:
        sign(yard.workshop, **{**given, **named})  # type: ignore[arg-type]
    assert (caught.value.code, str(caught.value)) == (code, text)
    assert caught.value.hint
    assert yard.workshop.staged_root() is None


def test_a_root_that_was_staged_wrongly_is_staged_again(yard: Yard) -> None:
    """Before it is published: the last word counts, and no signature of the word before it."""
    first, second, _ = yard.root_keys
    sign(yard.workshop, yard.root_keys, rotate=["root"], root_keys=[first.with_name("wrong.key")], threshold=1)
    done = sign(yard.workshop, rotate=["root"], root_keys=[first, second], threshold=2)
    assert done.did[-1] == "root 2 has its signatures"
    publish(yard.workshop)
    assert signers(yard) == ({keys.load(key).public_key.keyid for key in (first, second)}, 2)


def test_the_first_root_may_change_before_anybody_saw_it(tmp_path: Path) -> None:
    """Then there are no keys before."""
    workshop = Workshop(tmp_path / "repository", tmp_path / "keys")
    keys.create(tmp_path / "theirs.key")
    init(workshop, [tmp_path / "mine.key", tmp_path / "theirs.pub"], 2)
    done = sign(workshop, rotate=["root"], root_keys=[tmp_path / "mine.key"], threshold=1)
    assert done.did[-1] == "root 1 has its signatures"
    assert "made root 1 visible" in publish(workshop).did[1]
