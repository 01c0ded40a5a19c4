"""Registries of images on loopback: a small one of our own that can be made to misbehave, and Debian's, where it is
installed. Both are filled by the distribution API, as `docker push` does it."""

import base64
import contextlib
import gzip
import hashlib
import http.server
import io
import json
import re
import shutil
import socket
import ssl
import subprocess
import tarfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.yard import eventually

OCI = "application/vnd.oci.image"
INDEX, MANIFEST, CONFIG = f"{OCI}.index.v1+json", f"{OCI}.manifest.v1+json", f"{OCI}.config.v1+json"
LAYER = f"{OCI}.layer.v1.tar"
USER, PASSWORD = "ann", "open sesame"
_HASHED = "$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy"
"""Of the password, as `htpasswd -B` writes it."""
DEBIAN = shutil.which("docker-registry")


class Asked(NamedTuple):
    """One request that came."""

    method: str
    path: str
    headers: Mapping[str, str]


Answer = Callable[[http.server.BaseHTTPRequestHandler], bool]
"""Answers a request in another way; False: it does not."""


class Registry:
    """One of our own. `asked`: what it was asked; `answer` may answer instead; `login` is what it wants to see. With
    `tls` it speaks https."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.answer: Answer = lambda request: False
        self.login = ""
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        """Harmless twice."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


def _handler(registry: Registry) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def reply(self, status: int, data: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def do_GET(self) -> None:
            registry.asked.append(Asked(self.command, self.path, dict(self.headers)))
            if registry.answer(self):
                return
            if registry.login and self.headers.get("Authorization") != registry.login:
                self.reply(401, WWW_Authenticate='Basic realm="here"')
                return
            path = self.path.partition("?")[0]
            if path == "/v2/_catalog":
                names = sorted({image for image, _ in registry.manifests})
                self.reply(200, json.dumps({"repositories": names}).encode())
            elif found := re.fullmatch(r"/v2/(.+)/tags/list", path):
                tags = [tag for image, tag in registry.manifests if image == found[1] and ":" not in tag]
                self.reply(200 if tags else 404, json.dumps({"tags": tags}).encode())
            elif found := re.fullmatch(r"/v2/(.+)/manifests/(.+)", path):
                kind, data = registry.manifests.get((found[1], found[2]), ("", b""))
                self.reply(200 if kind else 404, data, Content_Type=kind)
            elif found := re.fullmatch(r"/v2/(.+)/blobs/(.+)", path):
                self.blob(registry.blobs.get(found[2]))
            else:
                self.reply(404)

        do_HEAD = do_GET

        def blob(self, data: bytes | None) -> None:
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if data is None:
                self.reply(404)
            elif asked:
                begin, end = int(asked[1]), int(asked[2]) + 1
                self.reply(206, data[begin:end], Content_Range=f"bytes {begin}-{end - 1}/{len(data)}")
            else:
                self.reply(200, data)

        def do_POST(self) -> None:
            registry.asked.append(Asked(self.command, self.path, dict(self.headers)))
            if not registry.answer(self):
                self.reply(202, Location=f"{self.path}upload")

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            if found := re.fullmatch(r"/v2/(.+)/manifests/(.+)", self.path):
                for reference in (found[2], digest):
                    registry.manifests[found[1], reference] = self.headers["Content-Type"], data
            else:
                registry.blobs[digest] = data
            self.reply(201)

    return Handler


@contextlib.contextmanager
def debian(home: Path) -> Iterator[str]:
    """The host and port of Debian's, which lets in who knows the password."""
    assert DEBIAN
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    home.mkdir(parents=True, exist_ok=True)
    (home / "users").write_text(f"{USER}:{_HASHED}\n")
    about = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(home / "data")}},
        "http": {"addr": host},
        "auth": {"htpasswd": {"realm": "here", "path": str(home / "users")}},
    }
    (home / "config.yml").write_text(json.dumps(about))
    with open(home / "log", "wb") as log:
        running = subprocess.Popen([DEBIAN, "serve", str(home / "config.yml")], stdout=log, stderr=log)
    try:
        eventually(lambda: _answers(host), "the registry answers")
        yield host
    finally:
        running.terminate()
        running.wait()


def _answers(host: str) -> bool:
    try:
        urllib.request.urlopen(f"http://{host}/v2/")
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False
    return True


def basic(user: str = USER, password: str = PASSWORD) -> str:
    """What shows a name and a password."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def described(data: bytes, kind: str, **more: Any) -> dict[str, Any]:
    """What names a blob."""
    return {"mediaType": kind, "digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data), **more}


def push(host: str, image: str, reference: str, kind: str, data: bytes, blobs: Sequence[bytes] = ()) -> str:
    """A manifest or an index, after the blobs that it names. Its digest."""

    def send(method: str, url: str, sent: bytes, kind: str) -> str:
        whole = url if url.startswith("http") else f"http://{host}{url}"
        request = urllib.request.Request(whole, sent, {"Authorization": basic(), "Content-Type": kind}, method=method)
        with urllib.request.urlopen(request) as answer:
            return str(answer.headers.get("Location", ""))

    for blob in blobs:
        place = send("POST", f"/v2/{image}/blobs/uploads/", b"", "application/octet-stream")
        mark = "&" if "?" in place else "?"
        send("PUT", f"{place}{mark}digest=sha256:{hashlib.sha256(blob).hexdigest()}", blob, "application/octet-stream")
    send("PUT", f"/v2/{image}/manifests/{reference}", data, kind)
    return hashlib.sha256(data).hexdigest()


def push_layout(host: str, image: str, tag: str, layout: Path) -> str:
    """What `package build --oci` wrote. The digest of its index."""
    with tarfile.open(layout) as tar:
        held = {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isreg()}  # type: ignore[union-attr]

    def blob(named: Mapping[str, Any]) -> bytes:
        return held["blobs/sha256/" + named["digest"].removeprefix("sha256:")]

    (whole,) = json.loads(held["index.json"])["manifests"]
    for one in json.loads(blob(whole))["manifests"]:
        manifest = json.loads(blob(one))
        blobs = [blob(named) for named in (manifest["config"], *manifest["layers"])]
        push(host, image, one["digest"], MANIFEST, blob(one), blobs)
    return push(host, image, tag, INDEX, blob(whole))


def push_image(
    host: str,
    image: str,
    tag: str,
    layers: Sequence[bytes],
    run: Mapping[str, Any] | None = None,
    kind: str = f"{LAYER}+gzip",
    architecture: str = "amd64",
) -> str:
    """One that is made of these layers, as they are stored. The digest of its manifest."""
    about = {
        "os": "linux",
        "architecture": architecture,
        "config": run or {"Entrypoint": ["/bin/run"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64 for _ in layers]},
    }
    config = json.dumps(about).encode()
    named = [described(layer, kind) for layer in layers]
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described(config, CONFIG), "layers": named}
    return push(host, image, tag, MANIFEST, json.dumps(manifest).encode(), [config, *layers])


def entry(name: str, content: bytes = b"", mode: int = 0o644, link: str = "", kind: bytes = b"") -> tuple[Any, bytes]:
    """One entry of a layer; a folder, if its name ends with a slash."""
    header = tarfile.TarInfo(name.rstrip("/") if name != "/" else name)
    header.mode, header.size, header.linkname = mode, len(content), link
    header.type = kind or (tarfile.SYMTYPE if link else tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE)
    return header, content


def layer(*entries: tuple[Any, bytes]) -> bytes:
    """Of these entries, packed by gzip."""
    return gzip.compress(bare_layer(*entries), mtime=0)


def bare_layer(*entries: tuple[Any, bytes]) -> bytes:
    """Not packed."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for header, content in entries:
            tar.addfile(header, io.BytesIO(content))
    return plain.getvalue()
