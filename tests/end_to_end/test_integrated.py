"""Integrated workers: a real gRPC server is given its port, and asked there."""

import os
import signal
import sys
from pathlib import Path

from beeyard.adapters.providers import PROVIDERS
from beeyard.domain.spec import Endpoint, ProbeSpec, WorkerSpec
from beeyard.domain.values import Duration, WorkerId
from beeyard.entrypoints import settings
from tests.end_to_end.workers import AT_ONCE
from tests.examples.test_docs import ENVIRON
from tests.yard import Yard, eventually

SERVER = """#!{python}
import sys
from concurrent.futures import ThreadPoolExecutor
import grpc
from grpc_health.v1 import health, health_pb2_grpc

port = sys.argv[sys.argv.index("--port") + 1]
server = grpc.server(ThreadPoolExecutor(2))
if "--older" in sys.argv:
    ping = grpc.unary_unary_rpc_method_handler(lambda request, context: b"")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("proto.CoreService", {{"Ping": ping}}),))
else:
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
server.add_insecure_port("127.0.0.1:" + port)
server.start()
server.wait_for_termination()
"""


def program(folder: Path) -> str:
    """An executable that serves gRPC at the port it is given."""
    file = folder / "serve"
    file.write_text(SERVER.format(python=sys.executable))
    file.chmod(0o755)
    return str(file)


def test_it_is_given_a_free_port_and_asked_there(fresh_yard: Yard, tmp_path: Path) -> None:
    """Ready by the standard health service, without a word about probes or ports; after a crash at the same port."""
    file = tmp_path / "beeyard.yaml"
    file.write_text(
        f"workers: [{{id: api, kind: integrated, execution: {{executable_path: {program(tmp_path)}, args: [-v]}}}}]"
    )
    (spec,) = settings.load(str(file), environ=ENVIRON, providers=PROVIDERS).workers
    assert spec.run["args"] == ["-v"]
    fresh_yard.apply(spec)
    row = fresh_yard.running("api")["api"]
    port = row["endpoints"]["grpc"].rpartition(":")[2]
    assert Path(f"/proc/{row['pid']}/cmdline").read_bytes().split(b"\0")[-4:-1] == [b"-v", b"--port", port.encode()]
    assert (Path(fresh_yard.paths.pids) / "api.port").read_text() == f"{port}\n"
    os.kill(row["pid"], signal.SIGKILL)
    eventually(lambda: fresh_yard.ps()["api"]["pid"] not in (None, row["pid"]), "another one")
    assert fresh_yard.running("api")["api"]["endpoints"] == row["endpoints"]
    assert fresh_yard.ask("show", worker="api")[0]["spec"]["run"]["args"] == ["-v"]


def test_an_older_file_s_one_is_asked_by_ping_and_leaves_its_files(fresh_yard: Yard, tmp_path: Path) -> None:
    """It has no health service, only `CoreService.Ping`; its pid and its port stand where the older master wrote them,
    as long as it lives."""
    file = tmp_path / "beeyard.yaml"
    file.write_text(f"""
workers:
  - id: echo
    type: integrated
    unit:
      integrated:
        metadata: {{name: Echo}}
        control:
          execution: {{executable_path: {program(tmp_path)}, args: [--older]}}
          process_file: {{basedirectory: {tmp_path}}}
        health_check_run_options: {{interval: 200ms, timeout: 30s}}
""")
    (spec,) = settings.load(str(file), environ=ENVIRON, providers=PROVIDERS).workers
    fresh_yard.apply(spec)
    row = fresh_yard.running("echo")["echo"]
    port = row["endpoints"]["grpc"].rpartition(":")[2]
    files = [tmp_path / "echo.pid", tmp_path / "echo.port"]
    assert [file.read_text() for file in files] == [f"{row['pid']}\n", f"{port}\n"]
    fresh_yard.ask("stop", workers=["echo"])
    assert [file.exists() for file in files] == [False, False]


def test_one_that_somebody_else_started_is_taken_over_at_its_port(fresh_yard: Yard, tmp_path: Path) -> None:
    """What its command line says counts, not the port that was chosen."""
    path = program(tmp_path)
    port = 20_000 + os.getpid() % 10_000
    pid = os.posix_spawn(path, [path, "--port", str(port)], os.environ, setsid=True)
    try:
        (tmp_path / "api.pid").write_text(f"{pid}\n")
        run = {"executable_path": path, "kind": "integrated", "pid_file": str(tmp_path / "api.pid")}
        probe = ProbeSpec("grpc", endpoint="grpc", period=Duration(0.1))
        fresh_yard.apply(
            WorkerSpec(
                WorkerId("api"),
                "process",
                run,
                endpoints={"grpc": Endpoint("grpc")},
                probes={"readiness": probe},
                restart=AT_ONCE,
            )
        )
        row = fresh_yard.running("api")["api"]
        assert (row["pid"], row["endpoints"]["grpc"].rpartition(":")[2]) == (pid, str(port))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
