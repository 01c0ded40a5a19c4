"""Packages on the command line: what their faces say, and what of it stays where a terminal is narrow."""

from typing import Any

import pytest

from beeyard.application.operations.package_show import Build, PackageDetail
from beeyard.application.operations.package_views import PackageView
from beeyard.application.packages.status import PackageStatus
from beeyard.entrypoints.cli import parcels
from beeyard.ports.package_store import Damage
from tests.unit.entrypoints.cli.conftest import Run
from tests.unit.entrypoints.conftest import SocketMaster


def a_view(**changes: Any) -> PackageView:
    """A package that is well, but for what is said otherwise."""
    given: dict[str, Any] = {
        "name": "hello", "version": "1.0", "platform": "any", "state": "installed", "repository": "hive",
        "trust": "tuf", "manager": "binary", "size": 262, "installed_at": 1_800_000_000.0, "path": "/s/hello",
        "digest": "0" * 64, "workers": [], "held": "root",
    }  # fmt: skip
    return PackageView(**(given | changes))


@pytest.mark.parametrize(
    ("depth", "trust", "text"),
    [
        ("digests", "tuf", "as it was signed"),
        ("sizes", "tuf", "as it was signed, by sizes, modes and links"),
        ("sizes", "checksum", "as its repository describes it, unsigned, by sizes, modes and links"),
        ("receipt", "tuf", "there; nobody looked at its files"),
    ],
)
def test_verify_vouches_for_no_more_than_was_looked_at(
    run: Run, master: SocketMaster, depth: str, trust: str, text: str
) -> None:
    """A byte may be another one where only sizes were compared."""
    master.answers["package_verify"] = (200, [a_view(trust=trust)])
    assert run("package", "verify", "--depth", depth) == (0, f"hello 1.0: {text}\n", "")


def test_what_is_wrong_is_said_in_words(run: Run, master: SocketMaster) -> None:
    """Exit code 7, and what to do."""
    found = [
        Damage(".", "missing"),
        Damage("run", "mode"),
        Damage("x", "extra"),
        Damage("y", "link"),
        Damage("z", "kind"),
    ]
    master.answers["package_verify"] = (200, [a_view(state="corrupted", damage=found)])
    told = "all of it missing; run has another mode; x does not belong there; y leads elsewhere; z is of another kind"
    code, out, err = run("package", "verify")
    assert (code, out) == (7, f"hello 1.0: {told}\n")
    assert err.startswith("error: not as signed: hello 1.0\nhint: beeyard ")


def test_a_try_that_failed_says_when(run: Run, master: SocketMaster, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it is not taken for the state of what is installed."""
    monkeypatch.setattr("time.time", lambda: 1_800_000_090.0)
    status = PackageStatus("hello", "", "failed", 0.0, None, 0, 0, 0.0, 1_800_000_000.0, "there is no hello 9")
    master.answers["package_show"] = (200, PackageDetail("hello", [a_view()], [], status, ""))
    assert "the last try failed, 1m 30s ago: there is no hello 9\n" in run("package", "show", "hello")[1]


@pytest.mark.parametrize(
    ("columns", "titles"),
    [(80, "VERSION  PLATFORM  CHANNELS  SIZE   NOTE"), (42, "VERSION  CHANNELS  NOTE"), (30, "VERSION  NOTE")],
)
def test_that_a_version_was_yanked_stays_on_the_narrowest_terminal(
    run: Run, master: SocketMaster, monkeypatch: pytest.MonkeyPatch, columns: int, titles: str
) -> None:
    """All else is left out before it."""
    build = Build("1.0", "any", ("stable",), 304, "tuf", "hive", yanked="forgets to greet")
    master.answers["package_show"] = (200, PackageDetail("hello", [], [build], None, ""))
    monkeypatch.setattr(parcels, "width", lambda stream: columns)
    code, out, _ = run("package", "show", "hello")
    assert (code, out.splitlines()[2]) == (0, titles)
    assert "yanked: " in out.splitlines()[3]
