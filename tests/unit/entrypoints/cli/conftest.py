"""The program, run in this process."""

from collections.abc import Callable

import pytest

from beeyard.entrypoints.cli import main as program
from beeyard.launcher.paths import Paths

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(paths: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Exit code, standard output, standard error."""
    for name in ("SUDO_USER", "DOAS_USER", "BEEYARD_URL", "BEEYARD_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            program.main(["--state-dir", paths.state, *arguments])
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return call
