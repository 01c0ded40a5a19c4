"""A real Docker Engine for tests, wherever it is, and an image of nothing but Debian's static busybox."""

import io
import os
import subprocess
import tarfile
from functools import cache

from tests import engine

HOST = os.environ.get("DOCKER_HOST") or engine.of_this_run().host
IMAGE = "beeyard-test:1"
BUSYBOX = "/bin/busybox"
ACCOUNTS = b"root:x:0:0::/:/bin/sh\nbee:x:1000:1000::/:/bin/sh\n"


def docker(*words: str, given: bytes | None = None, host: str = HOST) -> str:
    """What the command says, of the engine itself, whatever a test puts in front of it."""
    done = subprocess.run(["docker", "--host", host, *words], input=given, capture_output=True, check=False)
    assert not done.returncode, f"docker {' '.join(words)}: {done.stderr.decode()}"
    return done.stdout.decode().strip()


@cache
def image(host: str = HOST) -> str:
    """The image's name, once it is there."""
    if not docker("images", "-q", IMAGE, host=host):
        docker("import", "-", IMAGE, given=_packed(), host=host)
    return IMAGE


def _packed() -> bytes:
    """Its files: busybox, a link for each of its programs, the accounts, and a folder that all may write to."""
    names = subprocess.run([BUSYBOX, "--list"], capture_output=True, check=True).stdout.decode().split()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(os.path.realpath(BUSYBOX), "bin/busybox")
        for name in names:
            if name != "busybox":
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
        accounts = tarfile.TarInfo("etc/passwd")
        accounts.size = len(ACCOUNTS)
        tar.addfile(accounts, io.BytesIO(ACCOUNTS))
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(folder)
    return packed.getvalue()
