"""Updates on the command line: what is said of groups that go, and of those that don't."""

import pytest

from beeyard.application.packages.moves import Move
from tests.unit.entrypoints.cli.conftest import Run
from tests.unit.entrypoints.conftest import SocketMaster

MOVES = [
    Move("api", "caddy", "1.0", "2.0", "it is bad: api ended"),
    Move("web", "caddy", "1.0", "2.0"),
    Move("zed", "caddy", "1.0", "", "caddy is on hold: ann", "package_on_hold"),
]


@pytest.mark.parametrize("command", ["update", "rollback"])
def test_each_group_has_its_line_and_an_error_of_one_is_one_of_the_command(
    run: Run, master: SocketMaster, command: str
) -> None:
    """Exit code 4, with and without --json; none where those that stay are where they belong."""
    master.answers[f"package_{command}"] = (200, MOVES)
    code, out, err = run("package", command, "caddy")
    assert (code, out.splitlines()) == (
        4,
        [
            "api: caddy 1.0 stays, not 2.0: it is bad: api ended",
            "web: caddy 1.0 -> 2.0",
            "zed: caddy 1.0 stays: caddy is on hold: ann",
        ],
    )
    assert "error: not all went: zed could not\n" in err
    assert run("package", command, "caddy", "--json")[0] == 4
    master.answers[f"package_{command}"] = (200, MOVES[:2])
    assert run("package", command, "caddy")[0] == 0
