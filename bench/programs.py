"""The C programs of the harness: compiled anew for each run, into its own folder.

They are C so that a worker's own cost is small beside its supervisor's, and static so that exec finds no libraries.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent / "csrc"


class NoCompiler(Exception):
    """There is no C compiler here, so there is nothing to run."""


@dataclass(frozen=True)
class Programs:
    """Paths of the compiled programs."""

    worker: Path
    flood: Path
    check: Path
    cfloor: Path


def compiled(folder: Path) -> Programs:
    """Compiles every program into `folder`."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise NoCompiler("the bench compiles small C programs and finds no cc, gcc or clang")
    return Programs(**{name: _compile(compiler, name, folder) for name in ("worker", "flood", "check", "cfloor")})


def _compile(compiler: str, name: str, folder: Path) -> Path:
    target = folder / name
    command = [compiler, "-O2", "-o", str(target), str(SOURCES / f"{name}.c")]
    # A machine without a static libc still gets a program; it only starts a little slower, for all peers alike.
    if subprocess.run([*command, "-static"], capture_output=True, check=False).returncode != 0:
        subprocess.run(command, check=True)
    return target
