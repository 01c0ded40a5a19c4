"""The annotated worker file in docs/ is complete and loads."""

import re
from pathlib import Path

from msgspec import structs

from beeyard.adapters.providers.process.section import ProcessSection
from beeyard.adapters.providers.process.unmanaged_section import Control, Discovery, UnmanagedSection
from beeyard.domain.spec import ListenSpec
from beeyard.entrypoints import settings
from beeyard.entrypoints.settings import shape
from tests.unit.entrypoints.settings.conftest import SECTIONS

DOCS = Path(__file__).parents[4] / "docs" / "worker-file.yaml"


def test_the_documented_file_loads() -> None:
    """As it stands, next to its env file."""
    loaded = settings.load(str(DOCS), environ={"PATH": "/usr/bin:/bin"}, providers=SECTIONS)
    assert [spec.id for spec in loaded.workers] == ["db", "web.1", "web.2", "speaking", "asked", "watched", "older"]
    web = loaded.workers[1]
    assert web.depends_on == {"db": "ready"}
    assert web.run["env_file"] == [str(DOCS.with_suffix(".env"))]
    assert web.run["environment"] == {"GREETING": "hello you", "TOKEN": "${secret:docs-token}"}
    assert web.run["rlimits"] == {"nofile": [4096, 4096], "core": [-1, -1], "nproc": [512, 1024]}
    assert (loaded.name, loaded.shutdown_timeout) == ("docs", 30.0)
    assert loaded.master.listen == ListenSpec("127.0.0.1:8600", hosts=("yard.example.org",))


def test_every_key_that_works_is_documented() -> None:
    """A new field of a block needs a line in the file."""
    blocks = [kind for kind in vars(shape).values() if isinstance(kind, type) and kind.__module__ == shape.__name__]
    blocks += [ProcessSection, UnmanagedSection, Discovery, Control]
    keys = {field.encode_name for kind in blocks for field in structs.fields(kind)}
    words = set(re.findall(r"[a-z_]+", DOCS.read_text("utf-8")))
    assert keys - words == {"grpc", "global", "process_defaults"} - words
