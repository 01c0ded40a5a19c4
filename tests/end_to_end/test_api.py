"""The API as a stranger's tools meet it: everything that its description promises, asked in thousands of ways."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.calls import Caller, url_of
from tests.served import served
from tests.yard import Yard, eventually

HERE = Path(__file__).parent
TOLD = HERE / "api"
"""What schemathesis is told beforehand."""


def schemathesis(folder: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One run of it, the same for the same arguments; what it writes down stays in the folder."""
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(TOLD / "schemathesis.toml")]
    command += ["run", f"{url}/openapi.json", "--no-color", "--seed", "1", "--continue-on-failure"]
    command += ["--request-timeout", "30", "--exclude-path", "/v1/operations/down", *arguments]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.end_to_end.api.hooks",
        "PYTHONPATH": str(HERE.parent.parent),
    }
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_with_a_token_all_is_as_the_description_says(tmp_path: Path) -> None:
    """Good requests are taken, bad ones refused, answers are of the shape that was told, and nothing is a bug."""
    with served(endless=False, failures=10**9) as master:
        bearer = f"Authorization: Bearer {master.token()}"
        ran = schemathesis(tmp_path, master.url, "-H", bearer, "--max-examples", "3")
        assert ran.returncode == 0, ran.stdout[-8000:]
        assert master.log == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_without_a_token_nothing_is_to_be_had(tmp_path: Path) -> None:
    """Whatever is sent. A stranger is not told either which methods a path has: that check is left out."""
    with served(endless=False, failures=10**9) as master:
        phases = ("--phases", "examples,coverage", "--exclude-checks", "unsupported_method")
        ran = schemathesis(tmp_path, master.url, *phases)
        assert ran.returncode == 0, ran.stdout[-8000:]
        assert master.log == []
        assert master.master.supervisors == {}


def test_a_person_with_curl_runs_a_worker_and_takes_all_down(fresh_yard: Yard) -> None:
    """Over TCP, on a real master: a minimal worker, one that can't be, and who may end it all."""
    caller = Caller(url_of(fresh_yard))
    admin = fresh_yard.ask("token_create", name="admin", role="admin", install=True)["token"]
    viewer = fresh_yard.ask("token_create", name="viewer")["token"]
    spec = {"id": "web", "provider": "process", "run": {"executable_path": "/bin/sleep", "args": ["60"]}}
    assert [view["state"] for view in caller.operate("add", admin, specs=[spec]).body] == ["running"]
    assert caller.ask("GET", "/v1/workers/web", viewer).body[0]["spec"] == spec
    lost = spec | {"id": "lost", "run": {"executable_path": "/no/such/program"}}
    refused = caller.operate("add", admin, specs=[lost])
    assert (refused.status, refused.body["detail"]) == (
        400,
        "lost.run.executable_path: found no file /no/such/program, expected an executable file",
    )
    assert caller.operate("down", viewer).status == 403
    assert caller.operate("down", admin).body == {"ended": 1, "stuck": [], "left": []}
    eventually(lambda: not fresh_yard.answers(), "no master")


def test_nonsense_leaves_no_traceback_in_the_log(fresh_yard: Yard) -> None:
    """Neither over TCP nor on the socket."""
    port = urlsplit(url_of(fresh_yard)).port
    for said in (b"\x16\x03\x01\x02\x00\x01", b"GET /\xff HTTP/9.9\r\n\r\n", b"POST /v1/operations/ps HTTP/1.1\r\n"):
        for family, address in (
            (socket.AF_INET, ("127.0.0.1", port)),
            (socket.AF_UNIX, fresh_yard.paths.master_socket),
        ):
            with socket.socket(family) as sock:
                sock.connect(address)
                sock.sendall(said)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
    assert fresh_yard.answers()
    assert "Traceback" not in fresh_yard.said()
