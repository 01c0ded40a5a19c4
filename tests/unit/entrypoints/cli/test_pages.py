"""What `up` writes where lines can't be changed any more."""

import pytest
from msgspec.structs import replace

from beeyard.application.views import view
from beeyard.domain.messages import Now
from beeyard.domain.worker import new
from beeyard.entrypoints.cli.pages import STEPS, Changes
from tests.fakes.world import spec


def test_a_package_that_comes_is_a_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """However often it is looked at."""
    page, waits = Changes(), replace(view(new(spec("web")), Now(0.0, 0.0)), state="preparing")
    for percent in range(90):
        page.update([replace(waits, note=f"caddy 2.11.4: {percent} %", progress=percent / 100)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == STEPS
    assert lines[:2] == ["web: preparing: caddy 2.11.4: 0 %", "web: preparing: caddy 2.11.4: 25 %"]
