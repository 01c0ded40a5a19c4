"""docs/system-packages.md and docs/python.md: each command typed, with a real repository that apt and gpg made, and
with real wheels.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.test_pages import Shell, Step, Written, environ, follow, parts
from tests.wheels import a_wheel, says
from tests.yard import Yard


@pytest.fixture
def fallow(tmp_path: Path) -> Iterator[Yard]:
    """A state folder that nobody serves yet, in the folder of the page."""
    made = Yard(tmp_path / "s")
    try:
        yield made
    finally:
        made.end()


def typed(page: str, yard: Yard, folder: Path, **more: str) -> None:
    """Its files written, its commands followed."""
    found = parts(f"docs/{page}.md")
    assert sum(isinstance(part, Step) for part in found) >= 10
    shell = Shell({**environ(yard), **more}, folder)
    try:
        for part in found:
            if isinstance(part, Written):
                (folder / part.name).write_text(part.text)
            else:
                follow(part, shell)
                assert shell.ended == 0, (part.where, part.command)
    finally:
        shell.end()


@pytest.mark.slow
@pytest.mark.needs_apt
def test_packages_of_the_system_are_made_and_run_as_their_page_says(fallow: Yard, tmp_path: Path) -> None:
    """From a key to a repository that is gone."""
    keys = tmp_path / "gpg"
    keys.mkdir(mode=0o700)
    try:
        typed("system-packages", fallow, tmp_path, GNUPGHOME=str(keys))
    finally:
        subprocess.run(["gpgconf", "--homedir", str(keys), "--kill", "all"], check=True, capture_output=True)


@pytest.mark.slow
def test_distributions_of_python_run_as_their_page_says(fallow: Yard, tmp_path: Path) -> None:
    """With the wheels that it lists, and the newer one."""
    for place, number in (("wheels", "1.0"), ("newer", "1.1")):
        (tmp_path / place).mkdir()
        program = {"hello": "hello.main:main"}
        a_wheel(tmp_path / place, "hello", number, says(number), scripts=program, needs=["needed"])
    a_wheel(tmp_path / "wheels", "needed", "1.0", {"needed.py": ""})
    typed("python", fallow, tmp_path)
