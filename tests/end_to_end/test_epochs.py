"""Data that an older version can't read, on a real master: what is refused, and how who restored it goes back."""

import json
from pathlib import Path

import pytest

from tests.end_to_end.shelf import Shelf
from tests.end_to_end.test_packages import version
from tests.end_to_end.test_secrets import watched
from tests.end_to_end.test_updates import begin, ended
from tests.yard import eventually


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A repository with one version; of another one the data is of another form."""
    return Shelf(tmp_path / "shelf").put("hello", "1.0")


def test_who_restored_the_data_goes_back_over_an_epoch(tmp_path: Path, shelf: Shelf) -> None:
    """Nobody else does: neither a rollback nor a worker file, and the worker runs on meanwhile."""
    with watched(tmp_path) as yard:
        begin(yard, tmp_path, shelf)
        shelf.put("hello", "2.0", epoch=2)
        yard.run("package", "update", "hello")
        assert ended(yard)["stage"] == "done"
        before = yard.running("web")["web"]["pid"]
        yard.run("package", "rollback", "web", code=4)
        newer = json.loads(yard.file.read_text())
        older = newer | {"workers": [{**newer["workers"][0], "package": "hello:1.0"}]}
        yard.wish(**older)
        yard.run("up", "--detach", code=4)
        assert yard.running("web")["web"]["pid"] == before
        yard.run("package", "rollback", "web", "--to", "1.0", "--restored", code=4)
        yard.run("stop", "web")
        yard.run("package", "rollback", "web", "--to", "1.0", "--restored")
        yard.run("start", "web")
        assert version(yard) == "1.0"
        yard.wish(**newer)
        yard.run("up", "--detach")
        yard.run("package", "update", "hello", "--to", "2.0")
        eventually(lambda: version(yard) == "2.0", "the newer one")
        yard.run("stop", "web")
        yard.wish(**older)
        yard.run("up", "--detach")
        yard.run("start", "web", "--no-wait")
        text = (
            "web can't run from hello 1.0, which reads data of epoch 0: what ran last wrote epoch 2; take one that does"
        )
        eventually(lambda: text in yard.ps()["web"]["note"], "the reason")
        yard.run("start", "web", "--restored")
        assert version(yard) == "1.0"
        asked = [entry["record"]["asked"] for entry in yard.ask("audit_log") if "asked" in entry["record"]]
        assert [one["restored"] for one in asked if one.get("restored")] != []
        assert "its data is as it was before" in yard.run("why", "web")
