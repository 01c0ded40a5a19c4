"""A signed repository that grows: packages of shell scripts, and a web server that can be slow or ask who is there."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from beeyard.adapters.repositories.publishing import Workshop, add, init, promote, publish
from beeyard.entrypoints.cli.building import build

SLEEP = "exec sleep 1000"


class Shelf:
    """All of it below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "repository"
        self.home = folder
        self.workshop = Workshop(self.folder, folder / "keys")
        init(self.workshop, [folder / "root.key"], 1)

    def put(self, name: str, *versions: str, script: str = SLEEP, ballast: int = 0, **manifest: Any) -> "Shelf":
        """Builds whose executable is this script; `ballast`: bytes beside it that no packer makes smaller."""
        builds = [self._build(name, version, script, ballast, manifest) for version in versions]
        add(self.workshop, builds, "acme")
        publish(self.workshop)
        return self

    def put_module(self, name: str, version: str, code: str) -> "Shelf":
        """A build that is a module only: the factory `create` of its file shop/service.py."""
        entry = {"module_path": "shop/service.py", "entry_point": "create"}
        source = self._source(name, version, {"name": name, "version": version, "module": entry})
        (source / "shop").mkdir()
        (source / "shop" / "service.py").write_text(code)
        add(self.workshop, [self._built(source)], "acme")
        publish(self.workshop)
        return self

    def put_wasm(self, name: str, version: str, text: str) -> "Shelf":
        """A build whose executable is this WebAssembly."""
        entry = {"path": "bin/serve.wat", "args": ["-v"]}
        source = self._source(name, version, {"name": name, "version": version, "executable": entry})
        (source / "bin").mkdir()
        (source / "bin" / "serve.wat").write_text(text)
        (source / "bin" / "serve.wat").chmod(0o755)
        add(self.workshop, [self._built(source)], "acme")
        publish(self.workshop)
        return self

    def promote(self, package: str, channel: str) -> None:
        """As `beeyard repo promote`, and `publish`."""
        promote(self.workshop, package, channel)
        publish(self.workshop)

    def payload(self, name: str, version: str) -> Path:
        """The one that readers are given."""
        (found,) = self.folder.glob(f"targets/acme/{name}/{version}/any/*.payload.tar.zst")
        return found

    def spec(self, name: str = "hive", url: str = "", **more: Any) -> dict[str, Any]:
        """How a worker file names it."""
        where = {"url": url} if url else {"path": str(self.folder)}
        return {"name": name, **where, "root": str(self.folder / "metadata" / "1.root.json"), **more}

    def _build(self, name: str, version: str, script: str, ballast: int, manifest: dict[str, Any]) -> Path:
        written = {"name": name, "version": version, "executable": {"path": "serve"}, **manifest}
        source = self._source(name, version, written)
        program = source / "serve"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        if ballast:
            with open("/dev/urandom", "rb") as noise:
                (source / "ballast").write_bytes(noise.read(ballast))
        return self._built(source)

    def _source(self, name: str, version: str, manifest: dict[str, Any]) -> Path:
        source = self.home / "sources" / f"{name}-{version}"
        source.mkdir(parents=True)
        (source / "package.yaml").write_bytes(msgspec.json.encode(manifest))  # JSON is YAML.
        return source

    def _built(self, source: Path) -> Path:
        return Path(build(str(source), str(self.home / "built"), None)[0].payload)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A reader that was killed is no news."""


class Server:
    """Serves a folder. `gate`: while it is closed, payloads come by half; `token`: who has another gets nothing;
    `trickles`: from then on everything comes byte by byte; `asked`: the paths."""

    def __init__(self, folder: Path, token: str) -> None:
        self.gate, self.half, self.over = threading.Event(), threading.Event(), threading.Event()
        self.gate.set()
        self.refused = 0
        self.asked: list[str] = []
        self.trickles = False
        served = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                file = folder / self.path.lstrip("/")
                served.asked.append(self.path)
                known = not token or self.headers["Authorization"] == f"Bearer {token}"
                served.refused += not known
                data = file.read_bytes() if known and file.is_file() else b""
                self._head(401 if not known else 200 if data else 404, len(data))
                with contextlib.suppress(ConnectionError):
                    if served.trickles:
                        self._trickle(data)
                        return
                    sent = self._half(data) if ".payload." in file.name and not served.gate.is_set() else 0
                    self.wfile.write(data[sent:])

            def _half(self, data: bytes) -> int:
                """Little by little, as over a thin line; then nothing."""
                half = len(data) // 2
                for begin in range(0, half, half // 10 + 1):
                    self.wfile.write(data[begin : min(half, begin + half // 10 + 1)])
                    served.gate.wait(0.05)
                served.half.set()
                served.gate.wait()
                return half

            def _trickle(self, data: bytes) -> None:
                """Until the reader has had enough."""
                for byte in data:
                    self.wfile.write(bytes([byte]))
                    served.over.wait(0.1)

            def _head(self, status: int, length: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self._server = _Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Server":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def serving(shelf: Shelf, token: str = "") -> Iterator[Server]:
    """A web server on loopback."""
    with Server(shelf.folder, token) as server:
        yield server
