"""Two real Beeyards, of which the second gets its packages from the first: by a token that is good for nothing else."""

import http.client
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.shelf import Server, Shelf, serving
from tests.end_to_end.test_packages import version, wish
from tests.end_to_end.test_secrets import Watched, watched


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A repository with one version."""
    return Shelf(tmp_path / "shelf").put("hello", "1.0", ballast=300_000)


def begin(folder: Path, yard: Watched, shelf: Shelf, server: Server) -> str:
    """The first Beeyard has the package and serves it; the token for the second one lies in a file."""
    wish(yard, [shelf.spec(url=server.url, serve="1GB")], web="hello")
    yard.run("up", "--detach")
    assert version(yard) == "1.0"
    token = yard.run("token", "create", "second", "--neighbour").strip()
    (folder / "token").write_text(token + "\n")
    return token


def follow(folder: Path, url: str, yard: Watched, shelf: Shelf, server: Server) -> None:
    """The second Beeyard has the first one for a neighbour."""
    neighbour = {"neighbour": url, "token": "${secret:first}"}
    spec = shelf.spec(url=server.url, mirrors=[neighbour])
    workers = [{"id": "web", "package": "hello", "restart_policy": "always"}]
    secrets = {"first": {"file": str(folder / "token")}}
    yard.wish(secrets=secrets, package_manager={"repositories": [spec]}, workers=workers)
    yard.run("up", "--detach")


def payloads(server: Server) -> int:
    """How often one was asked for at the repository itself."""
    return sum(".payload." in path for path in server.asked)


def get(yard: Watched, path: str, token: str, **headers: str) -> tuple[int, bytes, Any]:
    """Over TCP."""
    connection = http.client.HTTPConnection(urlsplit(yard.ask("info")["url"]).netloc, timeout=15)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def test_a_package_comes_from_the_neighbour(tmp_path: Path, shelf: Shelf) -> None:
    """The repository gives no payload twice; what it says it is asked for all the same."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with serving(shelf) as server, watched(tmp_path / "a") as first, watched(tmp_path / "b") as second:
        begin(tmp_path, first, shelf, server)
        assert payloads(server) == 1
        follow(tmp_path, first.ask("info")["url"], second, shelf, server)
        assert version(second) == "1.0"
        assert payloads(server) == 1
        assert second.run("package", "verify", "hello")
        assert sum(path.endswith("/timestamp.json") for path in server.asked) >= 2


def test_a_neighbour_that_is_down_is_passed_over(tmp_path: Path, shelf: Shelf) -> None:
    """The log names it."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with serving(shelf) as server, watched(tmp_path / "a") as first, watched(tmp_path / "b") as second:
        begin(tmp_path, first, shelf, server)
        url = first.ask("info")["url"]
        first.run("down")
        follow(tmp_path, url, second, shelf, server)
        assert version(second) == "1.0"
        assert payloads(server) == 2
        (line,) = [line for line in second.said().splitlines() if "hello 1.0 is looked for elsewhere: " in line]
        assert urlsplit(url).netloc in line  # Where the second may be served by now, which has nothing of it either.


def test_a_neighbours_token_is_good_for_files_alone(tmp_path: Path, shelf: Shelf) -> None:
    """And no other token is; files come by their digest, in ranges too, and nothing else does."""
    with serving(shelf) as server, watched(tmp_path) as yard:
        token = begin(tmp_path, yard, shelf, server)
        payload = shelf.payload("hello", "1.0")
        digest, data = payload.name.partition(".")[0], payload.read_bytes()
        assert get(yard, f"/v1/packages/files/{digest}", token)[:2] == (200, data)
        status, body, headers = get(yard, f"/v1/packages/files/{digest}", token, Range="bytes=100-199")
        assert (status, body, headers["Content-Range"]) == (206, data[100:200], f"bytes 100-199/{len(data)}")
        for other in ("", "0" * 64, "..", "..%2f..%2fbeeyard.db", digest[:-1], f"{digest}/", "%2fetc%2fpasswd"):
            assert get(yard, f"/v1/packages/files/{other}", token)[0] == 404
        assert get(yard, "/v1/workers", token)[0] == 403
        assert get(yard, "/v1/packages", token)[0] == 403
        for role in ("viewer", "admin"):
            stranger = yard.run("token", "create", role, "--role", role).strip()
            assert get(yard, f"/v1/packages/files/{digest}", stranger)[0] == 403
        yard.run("token", "create", "more", "--neighbour", "--role", "admin", code=2)
        assert get(yard, f"/v1/packages/files/{digest}", "bee_nobody")[0] == 401
        assert "package_file only" in yard.run("token", "list")
