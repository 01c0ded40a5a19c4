"""The annotated worker file in docs/ is complete and loads."""

import re
from pathlib import Path

from msgspec import structs

from beeyard.adapters.providers import PROVIDERS
from beeyard.adapters.providers.docker.section import DockerSection, Volume
from beeyard.adapters.providers.process.section import HostedSection, PackagedSection, ProcessSection
from beeyard.adapters.providers.process.unmanaged_section import Control, Discovery, UnmanagedSection
from beeyard.adapters.providers.wasm.section import PackagedWasm, SharedFolder, WasmSection
from beeyard.domain.master import ListenSpec
from beeyard.domain.module import ModuleSpec
from beeyard.domain.sources import RepositorySpec
from beeyard.domain.values import Duration
from beeyard.entrypoints import settings
from beeyard.entrypoints.settings import shape, sources_shape

DOCS = Path(__file__).parents[4] / "docs" / "worker-file.yaml"
LOCAL = RepositorySpec("local", path=str(DOCS.parent / "packages"), packages=("dev-*",), trust="unsigned")


def test_the_documented_file_loads() -> None:
    """As it stands, next to its env file."""
    loaded = settings.load(str(DOCS), environ={"PATH": "/usr/bin:/bin"}, providers=PROVIDERS)
    assert [spec.id for spec in loaded.workers] == [
        "db",
        "web.1",
        "web.2",
        "speaking",
        "asked",
        "watched",
        "packaged",
        "greeter",
        "sandboxed",
        "contained",
        "same-words",
        "clustered",
        "older",
    ]
    web = loaded.workers[1]
    assert web.depends_on == {"db": "ready"}
    assert web.run["env_file"] == [str(DOCS.with_suffix(".env"))]
    assert web.run["environment"] == {"GREETING": "hello you", "TOKEN": "${secret:docs-token}"}
    assert web.run["rlimits"] == {"nofile": [4096, 4096], "core": [-1, -1], "nproc": [512, 1024]}
    assert (loaded.name, loaded.shutdown_timeout) == ("docs", 30.0)
    packaged, greeter = loaded.workers[6:8]
    assert (packaged.package, packaged.run) == ("dev-web:>=2.11,<3", {"args": ["--verbose"]})
    config = {"greeting": "hello ${secret:docs-token}", "sizes": [1, 2]}
    assert greeter.module == ModuleSpec("greeter.service:create", str(DOCS.parent), config, Duration(30.0))
    assert (greeter.stop[0].wait, greeter.probes["liveness"].means) == (30.0, "module")
    contained, same = loaded.workers[9:11]
    assert contained.run["volumes"]["/etc/redis"] == {"path": str(DOCS.parent / "redis"), "read_only": True}
    assert (same.run["entrypoint"], same.run["networks"]) == (["redis-server"], ["host"])
    assert loaded.master.packages.repositories == (LOCAL,)
    assert loaded.master.listen == ListenSpec("127.0.0.1:8600", hosts=("yard.example.org",), advertise="127.0.0.1:8600")


def test_every_key_that_works_is_documented() -> None:
    """A new field of a block needs a line in the file."""
    blocks = [
        kind
        for module in (shape, sources_shape)
        for kind in vars(module).values()
        if isinstance(kind, type) and kind.__module__ == module.__name__
    ]
    blocks += [ProcessSection, PackagedSection, HostedSection, UnmanagedSection, Discovery, Control]
    blocks += [WasmSection, PackagedWasm, SharedFolder, DockerSection, Volume]
    keys = {field.encode_name for kind in blocks for field in structs.fields(kind)}
    words = set(re.findall(r"[a-z_]+", DOCS.read_text("utf-8")))
    assert keys - words == {"grpc", "global", "process_defaults", "module_defaults"} - words
