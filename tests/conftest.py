"""Knows what a test may need from the machine, and what becomes of the test where that is missing."""

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import hypothesis
import pytest

from tests import debs, engine, rpms

# The machine's speed is nobody's fault: no test fails for being slow.
hypothesis.settings.register_profile("beeyard", deadline=None)
hypothesis.settings.load_profile("beeyard")

# Neither is what else it does meanwhile: restarts and time-outs are as on a host at ease.
os.environ["BEEYARD_PRESSURE"] = ""


def programs(*names: str) -> str | None:
    """Name the programs that are not here, or nothing."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", *map(str, postgres_folders())])
    missing = [name for name in names if not shutil.which(name, path=path)]
    return f"not installed: {', '.join(missing)}" if missing else None


def postgres_folders() -> list[Path]:
    """Debian keeps the server's programs out of PATH, one folder a version."""
    return sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def answers(*command: str) -> str | None:
    """Say why the command fails, or nothing."""
    try:
        subprocess.run(command, capture_output=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return None


def any_of(*names: str) -> str | None:
    """Say that none of the programs is here, or nothing."""
    return None if any(programs(name) is None for name in names) else f"none installed of: {', '.join(names)}"


NEEDS: dict[str, Callable[[], str | None]] = {
    "needs_docker": cache(engine.missing),
    "needs_ssh": cache(lambda: programs("sshd", "ssh-keygen")),
    "needs_postgres": cache(lambda: programs("initdb", "postgres")),
    "needs_apt": cache(lambda: programs(*debs.TOOLS)),
    "needs_dnf": cache(lambda: programs(*rpms.TOOLS)),
    "needs_strace": cache(lambda: answers("strace", "-o", os.devnull, "true")),
    "needs_browser": cache(lambda: any_of("chromium", "chromium-browser", "google-chrome")),
    "needs_kubernetes": cache(lambda: answers("kubectl", "version", "--request-timeout=10s")),
    "needs_llm": cache(lambda: any_of("llama-server", "ollama", "vllm")),
}
INSTALLED_BY_CI = {
    *("needs_docker", "needs_ssh", "needs_postgres", "needs_strace", "needs_browser"),
    *("needs_apt", "needs_dnf"),
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that share an engine come one after the other: what it lists is then theirs alone."""
    for item in items:
        if item.get_closest_marker("needs_docker"):
            item.add_marker(pytest.mark.xdist_group("docker"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what can't run here; in CI, where `.ci/run` should have installed it, fail instead."""
    for need, missing in NEEDS.items():
        if item.get_closest_marker(need) and (reason := missing()):
            if need in INSTALLED_BY_CI and os.environ.get("CI") == "true":
                pytest.fail(f"{need}: {reason}", pytrace=False)
            pytest.skip(f"{need}: {reason}")
    if item.get_closest_marker("needs_docker"):
        os.environ.setdefault("DOCKER_HOST", engine.of_this_run().host)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """An engine of our own is named only to tests that need one."""
    if os.environ.get("DOCKER_HOST") == engine.of_this_run().host:
        del os.environ["DOCKER_HOST"]


def pytest_unconfigure() -> None:
    """It would end by itself, a moment after the run."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        engine.of_this_run().end()
