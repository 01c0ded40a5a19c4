"""The section `docker:` of a worker, as a file says it."""

from pathlib import Path

from beeyard.adapters.providers import PROVIDERS
from beeyard.entrypoints import settings

FILE = """\
workers:
  - id: web
    provider: docker
    docker:
      image: redis:7
      command: redis-server
      volumes: {/data: {path: data, read_only: true}, /more: {volume: kept}}
      tmpfs: {/tmp: 16MB}
      gpus: all
      stop: {signal: SIGINT, timeout: 3s}
"""


def test_paths_of_this_host_are_looked_up_and_those_within_are_not(tmp_path: Path) -> None:
    """A relative path starts at the file; the working directory within is the image's unless it is named."""
    (tmp_path / "beeyard.yaml").write_text(FILE)
    [spec] = settings.load(str(tmp_path / "beeyard.yaml"), environ={}, providers=PROVIDERS).workers
    assert (spec.provider, spec.run) == (
        "docker",
        {
            "image": "redis:7",
            "command": ["redis-server"],
            "volumes": {"/data": {"path": str(tmp_path / "data"), "read_only": True}, "/more": {"volume": "kept"}},
            "tmpfs": {"/tmp": 16 * 1024**2},
            "gpus": ["all"],
        },
    )
    assert [(int(step.signal), step.wait) for step in spec.stop] == [(2, 3.0)]
