"""circus: one watcher a worker, each with a rotating FileStream; its default pace of checks (5 s)."""

from pathlib import Path
from typing import ClassVar

from bench.peers.foreground import Foreground
from bench.peers.port import Job


class Circus(Foreground):
    """circusd in the foreground."""

    name: ClassVar = "circus"
    tool: ClassVar = "circusd"
    version_words: ClassVar[tuple[str, ...]] = ("--version",)

    def __init__(self, tool: Path, job: Job) -> None:
        config = job.folder / "circus.ini"
        config.write_text(_head(job) + "".join(_section(job, worker) for worker in range(job.workers)))
        super().__init__([tool, "--log-output", job.folder / "circusd.log", config], job)


def _head(job: Job) -> str:
    return f"""[circus]
endpoint = ipc://{job.folder}/endpoint
pubsub_endpoint = ipc://{job.folder}/pubsub
stats_endpoint = ipc://{job.folder}/stats
"""


def _section(job: Job, worker: int) -> str:
    return f"""
[watcher:w{worker}]
cmd = {job.program}
args = {" ".join(job.words(worker))}
numprocesses = 1
respawn = true
max_retry = -1
graceful_timeout = 10
stdout_stream.class = FileStream
stdout_stream.filename = {job.logs}/w{worker}.log
stdout_stream.max_bytes = {job.rotate_mb << 20}
stdout_stream.backup_count = {job.backups}
"""
