"""Writes an image of a package's files, as one tar file in OCI's image layout: for the same files the same bytes.

Docker loads it as well: it finds what it looks for in `manifest.json`. No Docker is needed, and no registry asked. The
image holds the files of the package below its root and nothing else; whatever they need of a system is to be in them.
"""

import gzip
import hashlib
import io
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import msgspec

from beeyard.adapters.archives.codec import PIECE
from beeyard.adapters.archives.pack import plain
from beeyard.adapters.images.described import LABEL
from beeyard.adapters.images.shapes import CONFIG, INDEXES, MANIFESTS, On
from beeyard.domain.packages import ANY, FileEntry, Manifest, Platform

_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
_LEVEL = 6
_WORDS = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"}
_EVERYWHERE = ("linux-x86_64", "linux-aarch64")
"""What a package for any platform is written for."""
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENCODER = msgspec.json.Encoder(order="deterministic")


class Blobs:
    """Those of one image, put one after another into its file."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._known: set[str] = set()

    def put(self, media_type: str, data: bytes) -> dict[str, object]:
        """What names it from now on."""
        digest = hashlib.sha256(data).hexdigest()
        if digest not in self._known:
            self._known.add(digest)
            self.file(place(digest), data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def layer(self, packed: IO[bytes]) -> dict[str, object]:
        """The same, of a file that may be too big to hold."""
        size = packed.seek(0, 2)
        packed.seek(0)
        hashed = hashlib.sha256()
        while piece := packed.read(PIECE):
            hashed.update(piece)
        packed.seek(0)
        self._tar.addfile(_header(place(hashed.hexdigest()), size), packed)
        return {"mediaType": _GZIP, "digest": f"sha256:{hashed.hexdigest()}", "size": size}

    def file(self, name: str, data: bytes) -> None:
        self._tar.addfile(_header(name, len(data)), io.BytesIO(data))


def place(digest: str) -> str:
    """Where a blob lies."""
    return f"blobs/sha256/{digest}"


def write(manifest: Manifest, folder: str, files: Sequence[FileEntry], output: Path) -> str:
    """The digest that the image has in a registry. Raises Refused: `package_changed`; OSError."""
    with (
        tempfile.TemporaryFile(dir=output.parent) as packed,
        tarfile.open(output, "w", format=tarfile.PAX_FORMAT) as tar,
    ):
        bare, blobs = _pack(folder, files, packed), Blobs(tar)
        return _put(manifest, blobs, blobs.layer(packed), bare)


def _put(manifest: Manifest, blobs: Blobs, layer: dict[str, object], bare: str) -> str:
    images, configs = [], []
    for platform in _EVERYWHERE if manifest.platform == ANY else (manifest.platform,):
        config = blobs.put(CONFIG, _ENCODER.encode(_config(manifest, platform, bare)))
        configs.append(_place(config))
        said = {"schemaVersion": 2, "mediaType": MANIFESTS[0], "config": config, "layers": [layer]}
        on = _on(platform)
        about = {"platform": {"os": on.os, "architecture": on.architecture}}
        images.append(blobs.put(MANIFESTS[0], _ENCODER.encode(said)) | about)
    index = {"schemaVersion": 2, "mediaType": INDEXES[0], "manifests": images}
    whole = blobs.put(INDEXES[0], _ENCODER.encode(index))
    named = {"annotations": {"org.opencontainers.image.ref.name": manifest.version}}
    blobs.file("index.json", _ENCODER.encode(index | {"manifests": [whole | named]}))
    blobs.file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    tags = [f"{manifest.name}:{manifest.version}"]
    docker = {"Config": configs[0], "RepoTags": tags, "Layers": [_place(layer)]}
    blobs.file("manifest.json", _ENCODER.encode([docker]))
    return str(whole["digest"])


def _pack(folder: str, files: Sequence[FileEntry], packed: IO[bytes]) -> str:
    """Write the layer; the digest of what is in it."""
    hashed = hashlib.sha256()
    with gzip.GzipFile("", "wb", _LEVEL, packed, mtime=0) as squeezed:
        for piece in plain(folder, files):
            hashed.update(piece)
            squeezed.write(piece)
    return hashed.hexdigest()


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o644
    return header


def _place(named: dict[str, object]) -> str:
    return place(str(named["digest"]).removeprefix("sha256:"))


def _config(manifest: Manifest, platform: Platform, bare: str) -> dict[str, object]:
    run: dict[str, object] = {
        "Env": [_PATH],
        "WorkingDir": "/",
        "Labels": {LABEL: _ENCODER.encode(manifest).decode()},
    }
    if (entry := manifest.process) is not None:
        run |= {"Entrypoint": [f"/{entry.executable_path}"], "Cmd": list(entry.args)}
    on = _on(platform)
    return {
        "os": on.os,
        "architecture": on.architecture,
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{bare}"]},
    }


def _on(platform: Platform) -> On:
    system, _, machine = platform.partition("-")
    return On(system, _WORDS.get(machine, machine))
