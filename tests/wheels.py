"""Makes small wheels, and serves a folder of them as an index does: both forms of the simple API, with ranges."""

import base64
import hashlib
import html
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from packaging.utils import canonicalize_name

Files = Mapping[str, str | bytes]

STAYS = """
import signal, sys
def main():
    print({said!r}, sys.prefix != sys.base_prefix, flush=True)
    signal.pause()
"""


def says(said: str, package: str = "hello") -> Files:
    """A package whose function `main` says this, and stays."""
    return {f"{package}/__init__.py": "", f"{package}/main.py": STAYS.format(said=said)}


def a_wheel(
    folder: Path,
    name: str,
    version: str,
    files: Files | None = None,
    *,
    tag: str = "py3-none-any",
    scripts: Mapping[str, str] | None = None,
    modules: Mapping[str, str] | None = None,
    needs: Sequence[str] = (),
    python: str = "",
    recorded: Files | None = None,
) -> Path:
    """What `recorded` has in place of a file stands in its RECORD alone."""
    stem = f"{name.replace('-', '_')}-{version}"
    inner = f"{stem}.dist-info"
    about = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: {name} for a test"]
    about += [f"Requires-Dist: {need}" for need in needs]
    about += [f"Requires-Python: {python}"] if python else []
    held: dict[str, str | bytes] = {**(says(version) if files is None else files)}
    held[f"{inner}/METADATA"] = "\n".join(about) + "\n"
    held[f"{inner}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n"
    groups = {"console_scripts": scripts or {}, "beeyard.modules": modules or {}}
    points = [
        f"[{group}]\n" + "".join(f"{n} = {t}\n" for n, t in told.items()) for group, told in groups.items() if told
    ]
    if points:
        held[f"{inner}/entry_points.txt"] = "\n".join(points)
    told = {**held, **(recorded or {})}
    rows = [f"{path},sha256={_digest(told[path])},{len(told[path])}" for path in held]
    held[f"{inner}/RECORD"] = "\n".join([*rows, f"{inner}/RECORD,,"]) + "\n"
    path = folder / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for file, content in held.items():
            wheel.writestr(zipfile.ZipInfo(file), content, zipfile.ZIP_DEFLATED)
    return path


def _digest(content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


class Index:
    """Serves a folder of wheels. `asked`: the path and the headers of each question.

    `form`: json, html, `deep`, which never ends, or else what is neither. `login`: the header that it wants to see.
    `ranges`: whether parts may be asked for. `yanked`: reasons by file name. `elsewhere`: the URL where files lie
    instead of here. `ends`: a folder of smaller files, which come as the ends of those that are listed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.form, self.login, self.ranges = "json", "", True
        self.yanked: dict[str, str] = {}
        self.elsewhere = ""
        self.ends: Path | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.origin}/simple"

    def close(self) -> None:
        """Harmless twice."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def files(self, name: str = "") -> list[dict[str, Any]]:
        """As the JSON form has them."""
        found = []
        for path in sorted(self.folder.iterdir()):
            if not name or canonicalize_name(path.name.partition("-")[0]) == name:
                data = path.read_bytes()
                found.append(
                    {
                        "filename": path.name,
                        "url": f"{self.elsewhere or '../..'}/files/{path.name}",
                        "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
                        "yanked": self.yanked.get(path.name, False),
                    }
                )
        return found


def _handler(index: Index) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            index.asked.append((self.path, dict(self.headers)))
            if index.login and self.headers.get("Authorization") != index.login:
                self.reply(401, b"")
            elif self.path == "/simple/":
                names = sorted({canonicalize_name(one["filename"].partition("-")[0]) for one in index.files()})
                self.page({"projects": [{"name": one} for one in names]}, [f'<a href="{n}/">{n}</a>' for n in names])
            elif found := re.fullmatch(r"/simple/([^/]+)/", self.path):
                files = index.files(found[1])
                self.page({"files": files}, [_anchor(one) for one in files], 200 if files else 404)
            else:
                self.file(index.folder / self.path.removeprefix("/files/"))

        def page(self, plain: object, anchors: Sequence[str], status: int = 200) -> None:
            told = {"json": json.dumps(plain), "html": f"<html><body>{'<br>'.join(anchors)}</body></html>"}
            told["deep"] = '{"files": ' + "[" * 200_000
            text = told.get(index.form, '{"files": 1}')
            self.reply(status, text.encode())

        def file(self, path: Path) -> None:
            if not path.is_file():
                return self.reply(404, b"")
            asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
            if not asked or not index.ranges:
                return self.reply(200, path.read_bytes())
            data = path.read_bytes()
            if index.ends and not asked[1]:
                end = (index.ends / path.name).read_bytes()
                data = data[: len(data) - len(end)] + end
            begin = int(asked[1]) if asked[1] else max(0, len(data) - int(asked[2]))
            last = min(int(asked[2]) + 1 if asked[1] and asked[2] else len(data), len(data))
            return self.reply(206, data[begin:last], f"bytes {begin}-{last - 1}/{len(data)}")

        def reply(self, status: int, data: bytes, part: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            if part:
                self.send_header("Content-Range", part)
            self.end_headers()
            self.wfile.write(data)

    return Handler


def _anchor(one: Mapping[str, Any]) -> str:
    yanked = f' data-yanked="{html.escape(one["yanked"])}"' if one["yanked"] else ""
    return f'<a href="{one["url"]}#sha256={one["hashes"]["sha256"]}"{yanked}>{one["filename"]}</a>'
