"""What a process runs that runs from a package."""

import pytest

from beeyard.adapters.providers.process.packaged import equipped
from beeyard.adapters.providers.process.section import PackagedSection
from beeyard.domain.errors import Refused
from beeyard.domain.packages import Manifest


def test_a_package_without_a_program_is_for_workers_that_name_one() -> None:
    """Those that name none are told so, and what to write."""
    manifest = Manifest("fonts", "1.0")
    assert equipped(PackagedSection(executable_path="bin/show"), manifest, "/p", {})["executable_path"] == "/p/bin/show"
    with pytest.raises(Refused) as refused:
        equipped(PackagedSection(), manifest, "/p", {})
    assert refused.value.advised == (
        "fonts 1.0 names no program that it runs as; name a file of it as execution.executable_path"
    )
