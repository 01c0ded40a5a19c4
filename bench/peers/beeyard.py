"""Beeyard, driven by its command line as an operator would: `up FILE --detach`, then `down`.

What the commands themselves cost is in the figures. The peers get a bare SIGTERM to stop; Beeyard pays for a CLI.
"""

import json
import subprocess
from pathlib import Path
from typing import Any, ClassVar

from bench import processes
from bench.peers.port import CommandFailed, Job, launch, rotated

_PATIENCE_S = 60
_OWN_PIDS = ("master_pid", "launcher_pid", "pump_pid")


class Beeyard:
    """A master with its launcher, in a state folder of its own."""

    name: ClassVar = "beeyard"
    tool: ClassVar = "beeyard"
    version_words: ClassVar[tuple[str, ...]] = ("--version",)

    def __init__(self, tool: Path, job: Job) -> None:
        self._job = job
        self._state = job.folder / "s"  # short: a unix socket's path holds 107 bytes
        self._cli = [str(tool), "--state-dir", str(self._state)]
        self._commands: list[subprocess.Popen[bytes]] = []
        self._known: list[int] = []
        self._file = job.folder / "beeyard.yaml"
        self._file.write_text(_head() + "".join(_worker(job, worker) for worker in range(job.workers)))

    def start(self) -> None:
        """`up --detach`."""
        self._commands.append(launch([*self._cli, "up", self._file, "--detach"], self._job.folder))

    def settle(self) -> None:
        """Waits for `up`, then asks which processes are Beeyard's."""
        code = self._commands[0].wait(_PATIENCE_S)
        if code != 0:
            raise CommandFailed(f"`beeyard up` ended with exit code {code}")
        asked = subprocess.run([*self._cli, "info", "--json"], capture_output=True, timeout=_PATIENCE_S, check=False)
        if asked.returncode != 0:
            raise CommandFailed(f"`beeyard info` ended with exit code {asked.returncode}")
        self._known = _pids_of(json.loads(asked.stdout))
        if not self._known:
            raise CommandFailed("`beeyard info` names no process of Beeyard's")

    def pids(self) -> list[int]:
        """Master, launcher, pump and whatever else they run, less the workers."""
        found = dict.fromkeys(self._known)
        for known in self._known:
            found.update(dict.fromkeys(processes.descendants(known)))
        worker = str(self._job.program.resolve())
        return [pid for pid in found if processes.alive(pid) and processes.program(pid) != worker]

    def stop(self) -> None:
        """`down`."""
        self._commands.append(launch([*self._cli, "down"], self._job.folder))

    def control(self) -> Path | None:
        """The master's."""
        return self._state / "run" / "master.sock"

    def running(self) -> list[subprocess.Popen[bytes]]:
        """The CLI commands given so far."""
        return self._commands

    def log_files(self, worker: int) -> list[Path]:
        """`logs/<worker>/stdout.log` and its rotated files."""
        return rotated(self._state / "logs" / f"w{worker}" / "stdout.log")


def _pids_of(info: dict[str, Any]) -> list[int]:
    return [pid for key in _OWN_PIDS if isinstance(pid := info.get(key), int) and pid > 0]


def _head() -> str:
    return """master: {listen: none}
defaults:
  restart_policy: {policy: always, delay: 0s, jitter: 0, max_retries: unlimited, window: 5m}
workers:
"""


def _worker(job: Job, worker: int) -> str:
    return f"""  - id: w{worker}
    execution:
      executable_path: {json.dumps(str(job.program))}
      args: {json.dumps(job.words(worker))}
      stop: {{signal: SIGTERM, timeout: 10s}}
    logs: {{max_size: {job.rotate_mb}MB, max_files: {job.backups}}}
"""
