"""`repo …` makes a repository in a few commands, says what it did and what comes next, and keeps keys out of it."""

import asyncio
import errno
import json
import os
from pathlib import Path

import pytest

from beeyard.adapters.repositories.tuf import TufRepository
from beeyard.ports.repository import Offer
from tests.repositories import a_build
from tests.unit.entrypoints.cli.conftest import Run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the repository is going to be."""
    monkeypatch.delenv("BEEYARD_REPO_PASSPHRASE", raising=False)
    return tmp_path / "repository"


def test_a_repository_is_made_command_by_command(run: Run, folder: Path, tmp_path: Path) -> None:
    """Each names the next; at the end a reader gets what was meant."""
    builds = [str(a_build(tmp_path, "caddy", version)) for version in ("2.11.4", "2.11.7")]
    code, out, err = run("repo", "init", str(folder))
    assert (code, err) == (0, f"next: beeyard repo publish {folder}\n")
    assert out.splitlines() == [
        f"made the root key {tmp_path}/repository-root/root.key: keep it offline",
        f"made the keys of targets, snapshot, timestamp in {tmp_path}/repository-keys",
        "root 1 has its signatures",
    ]
    assert run("repo", "add", str(folder), *builds, "--origin", "acme")[1].splitlines() == [
        f"made the role acme with the key {tmp_path}/repository-keys/acme.key",
        "added caddy:2.11.4 for any to acme",
        "added caddy:2.11.7 for any to acme",
    ]
    assert run("repo", "promote", str(folder), "caddy:2.11.7", "stable")[1].endswith("stable points to caddy:2.11.7\n")
    assert run("repo", "yank", str(folder), "caddy:2.11.4", "--reason", "leaks")[1] == "took caddy:2.11.4 back: leaks\n"
    code, out, err = run("repo", "publish", str(folder), "--lasts", "1d", "--json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert told["did"][:2] == [
        "made snapshot 1: 3 roles",
        f"made root 1 visible: readers pin {folder}/metadata/1.root.json",
    ]
    assert told["next"] == f"before then, and after each change: beeyard repo publish {folder}"
    root = (folder / "metadata" / "1.root.json").read_bytes()
    reader = TufRepository("hive", str(folder), root, tmp_path / "cache")
    assert asyncio.run(reader.offers("caddy")) == [
        Offer("caddy", "2.11.4", "any", yanked="leaks"),
        Offer("caddy", "2.11.7", "any", channels=("stable",)),
    ]
    assert not list(folder.rglob("*.key"))


def test_offline_keys_sign_one_after_the_other(run: Run, folder: Path, tmp_path: Path) -> None:
    """Two of two: one is somebody else's, and signs when it is brought here."""
    mine, theirs = tmp_path / "mine.key", tmp_path / "theirs.key"
    assert run("repo", "init", str(tmp_path / "other"), "--root-key", str(theirs))[0] == 0
    public = str(theirs.with_suffix(".pub"))
    keys = ("--root-key", str(mine), "--root-key", public, "--threshold", "2")
    code, out, err = run("repo", "init", str(folder), *keys)
    assert (code, out.splitlines()[-1]) == (0, "root 1 lacks 1 signature")
    assert err == f"next: beeyard repo sign {folder} --key KEY, with another of the root keys\n"
    code, out, err = run("repo", "publish", str(folder))
    assert (code, out) == (4, "")
    assert err.startswith("error: the root lacks signatures: 1\n")
    assert run("repo", "sign", str(folder), "--key", str(theirs))[1].endswith("root 1 has its signatures\n")
    assert run("repo", "publish", str(folder))[0] == 0


def test_keys_are_encrypted_where_a_passphrase_is_given(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And without it nothing is signed."""
    monkeypatch.setenv("BEEYARD_REPO_PASSPHRASE", "open sesame")
    assert run("repo", "init", str(folder))[0] == 0
    assert b"ENCRYPTED" in (tmp_path / "repository-keys" / "targets.key").read_bytes()
    monkeypatch.delenv("BEEYARD_REPO_PASSPHRASE")
    code, _, err = run("repo", "publish", str(folder))
    assert code == 8
    assert "has a passphrase" in err
    assert "BEEYARD_REPO_PASSPHRASE" in err


@pytest.mark.parametrize(
    ("given", "code", "text"),
    [
        (["init", "{folder}", "--keys", "{folder}/keys"], 2, "lies in the repository, which everybody reads"),
        *[
            (
                ["publish", "{folder}", "--lasts", life],
                2,
                f"--lasts {life}: expected 1h to 3650d, which are ten years\n",
            )
            for life in ("0s", "3599s", "3651d", "99999999d")
        ],
        (["publish", "{folder}", "--lasts", "soon"], 2, "--lasts soon: expected"),
        (["publish", "{folder}"], 3, "is no repository"),
        (["sign", "{folder}", "--rotate", "root"], 2, "--rotate root, with --root-key FILE for each"),
        (["sign", "{folder}", "--root-key", "{folder}.key"], 2, "by naming all that it is to have"),
    ],
)
def test_what_can_not_be_done_is_said(run: Run, folder: Path, given: list[str], code: int, text: str) -> None:
    """With the exit code of what to do about it."""
    found, out, err = run("repo", *(word.format(folder=folder) for word in given))
    assert (found, out) == (code, "")
    assert text in err
    assert not folder.exists()


@pytest.mark.parametrize("life", ["1h", "3650d"])
def test_what_is_published_may_last_an_hour_or_ten_years(run: Run, folder: Path, life: str) -> None:
    """And anything between."""
    assert run("repo", "init", str(folder))[0] == 0
    assert run("repo", "publish", str(folder), "--lasts", life)[0] == 0


@pytest.mark.parametrize("command", ["publish", "add {build} --origin new", "promote caddy:1 new", "sign"])
def test_a_folder_of_keys_that_is_not_there_is_not_made(run: Run, folder: Path, command: str) -> None:
    """A typing error leaves nothing behind, neither there nor in the repository."""
    build = str(a_build(folder.parent, "caddy", "1"))
    assert run("repo", "init", str(folder))[0] == 0
    before = sorted(folder.rglob("*"))
    verb, *words = command.format(build=build).split()
    assert run("repo", verb, str(folder), *words, "--keys", str(folder.parent / "nowhere"))[0] == 3 * (verb != "sign")
    assert not (folder.parent / "nowhere").exists()
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("wrong", [["--rotate", "nobody"], ["--key", "nothing.key"]], ids=" ".join)
def test_a_key_or_a_role_that_is_not_there_leaves_no_root_behind(run: Run, folder: Path, wrong: list[str]) -> None:
    """Nor one that is signed by the other keys that were named."""
    assert run("repo", "init", str(folder))[0] == 0
    assert run("repo", "publish", str(folder))[0] == 0
    right = str(folder.parent / "repository-root" / "root.key")
    assert run("repo", "sign", str(folder), "--key", right, *wrong)[0] == 3
    assert "root" not in run("repo", "publish", str(folder))[1]
    assert [path.name for path in folder.rglob("*.root.json")] == ["1.root.json"]


def test_a_folder_that_can_not_be_written_is_no_bug(run: Run, tmp_path: Path) -> None:
    """Exit code 5, the file, the reason, and what to do."""
    (tmp_path / "file").write_text("in the way of a folder")
    hint = "hint: make room, or have this user write there; then do it again\n"
    for arguments, path in {
        (str(tmp_path / "file" / "repository"),): "file/repository-keys",
        (str(tmp_path / "repository"), "--root-key", str(tmp_path / "file" / "root.key")): "file",
    }.items():
        code, out, err = run("repo", "init", *arguments)
        assert (code, out) == (5, "")
        assert err.startswith(f"error: {tmp_path}/{path} can't be written: ")
        assert err.endswith(hint)


def test_a_disk_that_fills_up_leaves_what_was_published(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no file half written; with room it goes on."""
    assert run("repo", "init", str(folder))[0] == 0
    assert run("repo", "publish", str(folder))[0] == 0
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        code, _, err = run("repo", "publish", str(folder))
    assert (code, "timestamp.json can't be written: No space left on device" in err) == (5, True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert run("repo", "publish", str(folder))[0] == 0
