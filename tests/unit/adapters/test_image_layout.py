"""An image of a package: its file is what OCI and Docker read, and depends on nothing but the files."""

import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

from beeyard.entrypoints.cli.building import BuiltImage, build_image
from tests.package_benches import a_folder


def built(tmp_path: Path, name: str, platform: str = "any") -> BuiltImage:
    """Of a folder of its own."""
    folder = a_folder(tmp_path / name / "hello", "1.0", platform=platform)
    return build_image(str(folder), str(tmp_path / name / "out"), None)[0]


def held(image: str) -> dict[str, bytes]:
    """The files of a layout."""
    with tarfile.open(image) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]


def test_the_same_files_make_the_same_bytes(tmp_path: Path) -> None:
    """Whenever, and wherever they lie."""
    one = built(tmp_path, "one")
    os.utime(tmp_path / "one" / "hello" / "bin" / "run", (0, 0))
    two = built(tmp_path, "two")
    assert Path(one.image).read_bytes() == Path(two.image).read_bytes()
    assert one.digest == two.digest


def test_every_blob_is_what_its_name_says_and_the_layer_holds_the_files(tmp_path: Path) -> None:
    """From the index down, and from what Docker looks for."""
    image = built(tmp_path, "one", "linux-x86_64")
    files = held(image.image)

    def blob(named: dict[str, Any]) -> bytes:
        data = files["blobs/sha256/" + named["digest"].removeprefix("sha256:")]
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (named["digest"][7:], named["size"])
        return data

    (whole,) = json.loads(files["index.json"])["manifests"]
    assert (whole["digest"], json.loads(files["oci-layout"])) == (image.digest, {"imageLayoutVersion": "1.0.0"})
    (one,) = json.loads(blob(whole))["manifests"]
    assert one["platform"] == {"os": "linux", "architecture": "amd64"}
    manifest = json.loads(blob(one))
    config, (layer,) = json.loads(blob(manifest["config"])), manifest["layers"]
    assert config["config"]["Entrypoint"] == ["/bin/run"]
    bare = gzip.decompress(blob(layer))
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(bare).hexdigest()}"]
    with tarfile.open(fileobj=io.BytesIO(bare)) as tar:
        assert tar.getnames() == ["bin/run", "package.yaml"]
    (docker,) = json.loads(files["manifest.json"])
    assert docker["RepoTags"] == ["hello:1.0"]
    assert files[docker["Config"]] == blob(manifest["config"])
    assert [files[path] for path in docker["Layers"]] == [blob(layer)]


def test_what_runs_anywhere_is_an_image_for_the_usual_machines(tmp_path: Path) -> None:
    """Of one layer."""
    files = held(built(tmp_path, "one").image)
    (whole,) = json.loads(files["index.json"])["manifests"]
    index = json.loads(files["blobs/sha256/" + whole["digest"][7:]])
    assert [one["platform"]["architecture"] for one in index["manifests"]] == ["amd64", "arm64"]
    layers = [json.loads(files["blobs/sha256/" + one["digest"][7:]])["layers"] for one in index["manifests"]]
    assert layers[0] == layers[1]
