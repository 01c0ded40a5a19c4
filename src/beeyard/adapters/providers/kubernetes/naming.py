"""How what is ours in a cluster is named and marked: by owner, worker and attempt, the same each time.

The owner is this master's state folder, wherever it lies: a number that is kept in it.
"""

import hashlib
import os
import re
import secrets
import tempfile

from beeyard.adapters.providers.kubernetes.shapes import Metadata

OWNER, WORKER, ATTEMPT = "beeyard/owner", "beeyard/worker", "beeyard/attempt"
MANAGED = {"app.kubernetes.io/managed-by": "beeyard"}
CONTAINER = "worker"


def owner_of(path: str) -> str:
    """The number in this file, which is made if there is none."""
    try:
        with open(path) as file:
            return file.read().strip()
    except FileNotFoundError:
        pass
    with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(path), delete=False) as made:
        made.write(secrets.token_hex(8))
        made.flush()
        os.fsync(made.fileno())
    try:
        os.link(made.name, path)  # Whoever is first.
    except FileExistsError:
        pass
    finally:
        os.unlink(made.name)
    with open(path) as kept:
        return kept.read().strip()


def name_of(owner: str, worker: str, attempt: int) -> str:
    """Of the pod or the job, its container aside, and of its secret."""
    words = re.sub(r"[^a-z0-9]+", "-", worker.lower()).strip("-")[:40].strip("-") or "worker"
    return f"{words}-{_digest(owner, worker)}-{attempt}"


def labels_of(owner: str, worker: str, attempt: int) -> dict[str, str]:
    """By which it is found; a label holds fewer signs than a worker's name may have, so it is told by its digest."""
    return {**MANAGED, OWNER: owner, WORKER: _digest(owner, worker), ATTEMPT: str(attempt)}


def selector_of(owner: str, worker: str = "") -> str:
    """All of an owner, or of one worker."""
    return f"{OWNER}={owner}" + (f",{WORKER}={_digest(owner, worker)}" if worker else "")


def marked(metadata: Metadata) -> tuple[str, int] | None:
    """The worker and the attempt that it is of; None if that can't be told."""
    worker, attempt = metadata.annotations.get(WORKER, ""), metadata.labels.get(ATTEMPT, "")
    return (worker, int(attempt)) if worker and attempt.isdecimal() else None


def _digest(owner: str, worker: str) -> str:
    return hashlib.blake2b(f"{owner}/{worker}".encode(), digest_size=5).hexdigest()
