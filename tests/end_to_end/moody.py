"""The server of examples/sockets, but it accepts before it can answer: 503 for a while from its start, and whenever a
file says so. `moody.py WORD SECONDS FILE`; it says by sd_notify(3) when it can.
"""

import importlib.util
import os
import socket
import sys
import threading
from pathlib import Path

at = Path(__file__).parents[2] / "examples" / "sockets" / "server.py"
found = importlib.util.spec_from_file_location("server", at)
assert found is not None
assert found.loader is not None
server = importlib.util.module_from_spec(found)
found.loader.exec_module(server)

began = threading.Event()


class Moody(server.Answer):  # type: ignore[name-defined,misc]
    """Can answer, or can't."""

    def do_GET(self) -> None:
        """503 while it can't."""
        if began.is_set() and not os.path.exists(sys.argv[3]):
            super().do_GET()
        else:
            self.send_error(503)


def ready() -> None:
    """From now on it can."""
    began.set()
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"READY=1", address.replace("@", "\0", 1))


vars(server)["Answer"] = Moody
timer = threading.Timer(float(sys.argv[2]), ready)
timer.daemon = True
timer.start()
server.main()
