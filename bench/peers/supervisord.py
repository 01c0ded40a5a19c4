"""supervisord: one program section a worker, with its stock sections for control.

All programs are in one group: it stops group after group, and 1,000 groups of one would take it minutes.
"""

from pathlib import Path
from typing import ClassVar

from bench.peers.foreground import Foreground
from bench.peers.port import Job


class Supervisord(Foreground):
    """supervisord in the foreground."""

    name: ClassVar = "supervisord"
    tool: ClassVar = "supervisord"
    version_words: ClassVar[tuple[str, ...]] = ("--version",)

    def __init__(self, tool: Path, job: Job) -> None:
        config = job.folder / "supervisord.conf"
        config.write_text(_head(job) + "".join(_section(job, worker) for worker in range(job.workers)))
        super().__init__([tool, "-n", "-c", config], job)

    def control(self) -> Path | None:
        """Where `supervisorctl` asks."""
        return self._job.folder / "supervisor.sock"


def _head(job: Job) -> str:
    # Three descriptors a worker. It closes all of `minfds` in every child it forks, so no more than needed.
    return f"""[supervisord]
logfile={job.folder}/supervisord.log
pidfile={job.folder}/supervisord.pid
childlogdir={job.folder}
silent=true
minfds={max(1024, 4 * job.workers + 96)}

[unix_http_server]
file={job.folder}/supervisor.sock

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[group:all]
programs={",".join(f"w{worker}" for worker in range(job.workers))}
"""


def _section(job: Job, worker: int) -> str:
    return f"""
[program:w{worker}]
command={" ".join(job.command(worker))}
autorestart=true
startsecs=1
startretries=1000000
stopsignal=TERM
stopwaitsecs=10
redirect_stderr=true
stdout_logfile={job.logs}/w{worker}.log
stdout_logfile_maxbytes={job.rotate_mb}MB
stdout_logfile_backups={job.backups}
"""
