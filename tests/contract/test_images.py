"""Images of a registry as packages: what they are, what is believed, and what is gone on with."""

import asyncio
import gzip
import hashlib
import http.server
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from beeyard.domain.errors import NotFound, Rejected, Untrusted
from beeyard.domain.locked import Locked
from beeyard.domain.packages import ProcessEntry
from beeyard.ports.package_manager import Offered
from tests.package_benches import HELLO, Oci
from tests.registries import (
    CONFIG,
    INDEX,
    LAYER,
    MANIFEST,
    bare_layer,
    described,
    entry,
    layer,
    push,
)
from tests.yard import eventually


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Oci]:
    """A registry of ours; Docker's config is somebody else's."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    made = Oci(tmp_path)
    yield made
    made.close()


# --- what an image is as a package ------------------------------------------------------------------------------------


async def test_what_an_image_says_of_its_run_becomes_the_manifest(bench: Oci) -> None:
    """Paths are relative to the package; a program that is only named is looked for where its PATH says."""
    run = {"Entrypoint": ["run", "-v"], "Cmd": ["serve"], "Env": ["PATH=/usr/bin:/bin", "A=b"], "WorkingDir": "/bin"}
    bench.image(run=run)
    found = await bench.pulled()
    entry = ProcessEntry("bin/run", ("-v", "serve"), ("PATH=/usr/bin:/bin", "A=b"), "bin")
    assert (found.manifest.process, found.manifest.platform) == (entry, "linux-x86_64")


async def test_tags_that_are_versions_are_versions(bench: Oci) -> None:
    """`v2.0` is 2.0; what is no version is not offered; one image may be several versions."""
    for tag in ("1.0", "1.0.1", "v2.0", "latest", "1.0-alpine", "main"):
        bench.image(tag)
    found = await bench.offered()
    assert [one.manifest.version for one in found] == ["2.0", "1.0.1", "1.0"]
    assert len({one.digest for one in found}) == 3
    both = [await bench.manager.install(bench.spec, one, lambda done: None) for one in found]
    assert [one.manifest.version for one in both] == ["2.0", "1.0.1", "1.0"]


async def test_a_tag_that_was_moved_is_another_build(bench: Oci) -> None:
    """So what a lock file pinned is never taken for it."""
    bench.image()
    first = await bench.pulled()
    bench.image("1.0", layer(entry("bin/run", b"other", mode=0o755)))
    (moved,) = await bench.offered()
    assert (moved.manifest.version, moved.digest != first.digest) == ("1.0", True)


async def test_of_an_index_this_platform_is_taken(bench: Oci) -> None:
    """The others are named; attestations are not."""
    own, other = bench.image("own"), bench.image("other", architecture="arm64")
    manifests = [
        {"mediaType": MANIFEST, "digest": f"sha256:{digest}", "size": 1, "platform": {"os": os_, "architecture": arch}}
        for digest, os_, arch in ((own, "linux", "amd64"), (other, "linux", "arm64"), (other, "unknown", "unknown"))
    ]
    push(bench.host, "team/hello", "1.0", INDEX, json.dumps({"schemaVersion": 2, "manifests": manifests}).encode())
    found = {one.manifest.platform: bool(one.digest) for one in await bench.offered()}
    assert found == {"linux-x86_64": True, "linux-aarch64": False}


async def test_of_several_for_one_kind_of_machine_the_plainest_is_taken(bench: Oci) -> None:
    """Whoever listed the newer ones first did not know this host."""
    programs = {variant: layer(entry("bin/run", variant.encode(), mode=0o755)) for variant in ("v3", "", "v2")}
    digests = {variant: bench.image(f"on-{variant}", program) for variant, program in programs.items()}
    on = {"os": "linux", "architecture": "amd64"}
    manifests = [
        {"mediaType": MANIFEST, "digest": f"sha256:{digest}", "size": 1, "platform": on | {"variant": variant}}
        for variant, digest in digests.items()
    ]
    push(bench.host, "team/hello", "1.0", INDEX, json.dumps({"schemaVersion": 2, "manifests": manifests}).encode())
    installed = await bench.pulled()
    assert Path(installed.path, "bin/run").read_bytes() == b""


OTHERS = {
    "schema 1": ("application/vnd.docker.distribution.manifest.v1+prettyjws", b"{}", "schema 1"),
    "no manifest": ("text/html", b"<html>", "of the unknown kind 'text/html'"),
    "a chart": (
        MANIFEST,
        json.dumps(
            {"schemaVersion": 2, "config": described(b"{}", "application/vnd.cncf.helm.config.v1+json"), "layers": []}
        ).encode(),
        "is no image, but of the kind 'application/vnd.cncf.helm.config.v1",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
async def test_what_is_no_image_for_us_is_passed_over(bench: Oci, case: str, caplog: pytest.LogCaptureFixture) -> None:
    """Versions beside it can be had; where there is nothing else, it is told why."""
    kind, data, seen = OTHERS[case]
    push(bench.host, "team/hello", "0.9", kind, data)
    with pytest.raises(Rejected, match=seen):
        await bench.offered()
    bench.image()
    assert [one.manifest.version for one in await bench.offered()] == ["1.0"]
    assert (
        f"team/hello:0.9 is passed over: main: team/hello@sha256:{hashlib.sha256(data).hexdigest()} is" in caplog.text
    )


# --- what was locked --------------------------------------------------------------------------------------------------


def locked(offered: Offered) -> Locked:
    """As a lock file has it."""
    made = offered.manifest
    return Locked(made.name, made.version, made.platform, offered.digest, "main", offered.trust, source=offered.source)


@pytest.mark.parametrize("how", ["an image", "an index"])
async def test_what_a_tag_named_can_be_had_after_it_was_moved(bench: Oci, how: str) -> None:
    """By a manager that never saw it, as long as the registry has it by its digest."""
    if how == "an image":
        bench.image()
    else:
        bench.publish("1.0")
    (first,) = await bench.offered()
    bench.image("1.0", layer(entry("bin/run", b"other", mode=0o755)))
    (moved,) = await bench.offered()
    assert moved.digest != first.digest
    bench.manager = bench.made()
    assert await bench.manager.former(bench.spec, locked(first)) == first
    installed = await bench.manager.install(bench.spec, first, lambda done: None)
    assert (installed.digest, Path(installed.path, "bin/run").read_bytes() != b"other") == (first.digest, True)
    del bench.registry.manifests["team/hello", first.source]
    assert await bench.made().former(bench.spec, locked(first)) is None


@pytest.mark.parametrize("source", ["", "1.0", "sha256:../../x/manifests/1.0", "sha256:" + "0" * 64])
async def test_a_lock_leads_nowhere_else(bench: Oci, source: str) -> None:
    """What it names is a digest, and its build is the one that is locked."""
    bench.image()
    (first,) = await bench.offered()
    assert await bench.manager.former(bench.spec, replace(locked(first), source=source)) is None
    other = replace(locked(first), digest="0" * 64)
    assert await bench.manager.former(bench.spec, other) is None


# --- what is believed -------------------------------------------------------------------------------------------------


async def test_every_byte_is_what_its_digest_says(bench: Oci) -> None:
    """Of the config, of a manifest that an index names, and of each layer; nothing of it is kept."""
    bench.image()
    blobs = bench.registry.blobs
    (config,) = [digest for digest, data in blobs.items() if data != HELLO]
    good = blobs[config]
    blobs[config] = good.replace(b"amd64", b"arm64")
    with pytest.raises(Untrusted, match="is not what its digest says"):
        await bench.offered()
    blobs[config] = good
    found = (await bench.offered())[0]
    for digest, data in blobs.items():
        if data == HELLO:
            blobs[digest] = data[:-1] + b"x"
    with pytest.raises(Untrusted, match=r"hello 1\.0 from .* is not what was promised"):
        await bench.manager.install(bench.spec, found, lambda done: None)
    assert await bench.manager.facts([bench.spec]) == []


async def test_a_manifest_of_an_index_is_what_its_digest_says(bench: Oci) -> None:
    """Whoever changes it has to change the index, and so the signature."""
    own = bench.image("own")
    entry = {
        "mediaType": MANIFEST,
        "digest": f"sha256:{own}",
        "size": 1,
        "platform": {"os": "linux", "architecture": "amd64"},
    }
    push(bench.host, "team/hello", "1.0", INDEX, json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
    kind, data = bench.registry.manifests["team/hello", f"sha256:{own}"]
    bench.registry.manifests["team/hello", f"sha256:{own}"] = kind, data + b" "
    with pytest.raises(Untrusted, match="is not what its digest says"):
        await bench.offered()


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"urls": ["https://elsewhere.example/layer"]}, "lies elsewhere"),
        ({"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}, "lies elsewhere"),
        ({"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"}, "lies elsewhere"),
        ({"mediaType": "application/vnd.oci.image.layer.v1.tar+rot13"}, "of the unknown kind"),
        ({"digest": "sha512:" + "0" * 128}, "is no SHA-256"),
        ({"digest": "sha256:../../x"}, "is no SHA-256"),
        ({"size": -1}, "can't be read"),
    ],
)
async def test_a_layer_that_nobody_could_verify_is_refused(bench: Oci, change: dict[str, Any], seen: str) -> None:
    """Nothing is fetched for it."""
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": ["x"]}}).encode()
    named = described(HELLO, f"{LAYER}+gzip") | change
    manifest = {"schemaVersion": 2, "config": described(config, CONFIG), "layers": [named]}
    push(bench.host, "team/hello", "1.0", MANIFEST, json.dumps(manifest).encode(), [config])
    with pytest.raises((Untrusted, Rejected), match=seen):
        await bench.offered()


async def test_a_hostile_layer_leaves_nothing(bench: Oci) -> None:
    """Neither an installed package nor what was unpacked of it."""
    bench.image("1.0", HELLO, layer(entry("../../x", b"x")))
    with pytest.raises(Untrusted, match=r"hello 1\.0: '\.\./\.\./x' leads over"):
        await bench.pulled()
    assert await bench.manager.facts([bench.spec]) == []
    assert list((bench.home / "packages" / "staging").iterdir()) == []


async def test_what_never_ends_is_cut_off(bench: Oci) -> None:
    """A manifest, or a list, has its bound."""

    def endless(request: http.server.BaseHTTPRequestHandler) -> bool:
        request.send_response(200)
        request.end_headers()
        request.close_connection = True
        try:
            while True:
                request.wfile.write(bytes(2**20))
        except OSError:
            return True

    bench.registry.answer = endless
    with pytest.raises(Untrusted, match="is longer than the 4194304 bytes"):
        await bench.offered()


# --- what is gone on with ---------------------------------------------------------------------------------------------

PULL = """
import asyncio, sys
from pathlib import Path
from msgspec.json import decode
from beeyard.adapters.fetcher import FolderFetcher
from beeyard.adapters.images import unpacking
from beeyard.adapters.images.registry import Registry
from beeyard.adapters.images.shelf import Shelf
from beeyard.adapters.package_store import FolderStore
from beeyard.adapters.packages.oci import OciManager
from beeyard.domain.sources import RepositorySpec

async def opened(spec):
    return Shelf(spec, Registry(spec), "linux-x86_64")

async def pull():
    root, spec = Path(sys.argv[1]), decode(sys.stdin.buffer.read(), type=RepositorySpec)
    store = lambda root: FolderStore(root, unpacking.unpack)
    manager = OciManager(root, store, FolderFetcher(root / "dl"), opened)
    (found,) = await manager.offers(spec, "hello")
    await manager.install(spec, found, lambda done: print(done, flush=True))

asyncio.run(pull())
"""


async def test_a_pull_that_was_killed_is_gone_on_with(bench: Oci) -> None:
    """What came is not asked for again, and nothing of it counts as installed."""
    import msgspec

    big = gzip.compress(bare_layer(entry("bin/run", b"#!/bin/sh\n", 0o755), entry("noise", os.urandom(3_000_000))))
    bench.image("1.0", big)
    half = len(big) // 2
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stall(request: Any) -> bool:
        if "/blobs/" not in request.path or request.command != "GET" or bench.registry.blobs[request.path[-71:]] != big:
            return False
        request.send_response(200)
        request.send_header("Content-Length", str(len(big)))
        request.end_headers()
        request.wfile.write(big[:half])
        request.wfile.flush()
        asyncio.run_coroutine_threadsafe(ended.wait(), loop).result()
        request.close_connection = True
        return True

    bench.registry.answer = stall
    root = bench.home / "packages"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PULL, str(root), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    assert child.stdin
    child.stdin.write(msgspec.json.encode(bench.spec))
    child.stdin.close()
    digest = hashlib.sha256(big).hexdigest()

    def noted() -> object:
        note = root / "dl" / f"{digest}.json"
        return note.exists() and json.loads(note.read_bytes())["done"]

    try:
        await asyncio.to_thread(eventually, noted, "some of it is on the disk")
    finally:
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
        ended.set()
    bench.registry.answer = lambda request: False
    assert await bench.manager.facts([bench.spec]) == []
    bench.registry.asked.clear()
    assert (await bench.pulled()).manifest.version == "1.0"
    ranges = [
        one.headers.get("Range", "") for one in bench.registry.asked if one.method == "GET" and digest in one.path
    ]
    assert ranges
    assert not [one for one in ranges if not one or one.startswith("bytes=0-")]


async def test_an_image_that_is_gone_is_told(bench: Oci) -> None:
    """Between the offer and the install."""
    bench.image()
    (found,) = await bench.offered()
    bench.registry.manifests.clear()
    bench.manager = bench.made()
    with pytest.raises(NotFound, match=r"main has no hello:1\.0 any more"):
        await bench.manager.install(bench.spec, found, lambda done: None)


async def test_images_that_share_layers_come_at_once(bench: Oci) -> None:
    """What one of them is done with, the others may still need; nor does one that is removed take anything along."""
    own = [layer(entry(f"own-{number}", b"x")) for number in range(4)]
    for number, top in enumerate(own):
        bench.image(f"{number}.0", HELLO, top)
    found = await bench.offered()
    both = await asyncio.gather(*(bench.manager.install(bench.spec, one, lambda done: None) for one in found))
    assert sorted(one.manifest.version for one in both) == ["0.0", "1.0", "2.0", "3.0"]
    assert list((bench.home / "packages" / "dl").iterdir()) == []
    await bench.manager.remove(both[0])
    await bench.manager.collect(frozenset({both[1].digest, both[2].digest}), keep=0, dry_run=False)
    left = await bench.manager.facts([bench.spec])
    assert [await bench.manager.verify(one, "digests") for one in left] == [[]] * len(left)
