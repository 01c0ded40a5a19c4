"""A lock file on a real Beeyard with a signed repository: written, kept to, renewed, and gone back to."""

from pathlib import Path

from tests.end_to_end.shelf import Shelf
from tests.end_to_end.test_packages import note, version, wish
from tests.end_to_end.test_secrets import watched


def test_a_worker_runs_what_the_lock_says_until_the_lock_is_renewed(tmp_path: Path) -> None:
    """The same file twice is the same bytes; an older lock leads back; what does not fit, or was changed, is told."""
    shelf, lock = Shelf(tmp_path / "shelf").put("hello", "1.0"), tmp_path / "beeyard.lock"
    with watched(tmp_path) as yard:
        yard.wish(workers=[])
        yard.run("up", "--detach")
        wish(yard, [shelf.spec()], web="hello")
        assert yard.run("package", "lock") == "hello: 1.0 added\n"
        first = lock.read_bytes()
        shelf.put("hello", "1.1")
        assert yard.run("package", "lock") == ""
        assert lock.read_bytes() == first
        yard.run("up", "--detach")
        assert version(yard) == "1.0"

        assert yard.run("package", "lock", "--update", "hello") == "hello: 1.0 -> 1.1\n"
        yard.run("reload")
        assert version(yard) == "1.0"  # Nobody asked for another start.
        yard.run("restart", "web")
        assert version(yard) == "1.1"
        lock.write_bytes(first)
        yard.run("reload")
        yard.run("restart", "web")
        assert version(yard) == "1.0"

        wish(yard, [shelf.spec()], web="hello:>=1.1")
        yard.follow("up", "--detach")
        assert "the lock has hello 1.0, and web needs hello:>=1.1" in note(yard, "web", "the lock has")
        digest = first.partition(b'digest = "')[2][:64]
        lock.write_bytes(first.replace(digest, b"0" * 64))
        wish(yard, [shelf.spec()], web="hello")
        yard.follow("up", "--detach")
        told = note(yard, "web", "the lock says")
        assert f"the lock says hello 1.0 is {'0' * 12}, and hive has {digest[:12].decode()}" in told
