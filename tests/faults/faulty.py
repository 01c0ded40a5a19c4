"""Runs the real launcher or the real master, with a hand that kills at one named point.

The order lies in STATE/fault.json: `{"point": "master Launch", "when": "before", "victims": ["master", "launcher"]}`.
It is looked at whenever a point is passed, and carried out once: the first time, or with `nth` the n-th. Points are
every effect of the master, every commit, and every message that the launcher takes or sends to the pump; `master *` is
any of the master's. Nothing in the product knows of them.

    python faulty.py master STATE
    python -I -S faulty.py launcher --state STATE -- MASTER ARGV…
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src"))

from beeyard.launcher.locks import holder
from beeyard.launcher.paths import Paths


class Hand:
    """Carries out the order in one state folder."""

    def __init__(self, state: str) -> None:
        self.paths = Paths(state)
        self.file = os.path.join(state, "fault.json")
        self._passed: dict[str, int] = {}  # by order

    def passes(self, point: str, when: str) -> None:
        """This point is passed now."""
        try:
            with open(self.file) as file:
                text = file.read()
                order = json.loads(text)
        except (OSError, ValueError):
            return
        if order["point"] not in (point, f"{point.split(maxsplit=1)[0]} *") or order["when"] != when:
            return
        self._passed[text] = self._passed.get(text, 0) + 1
        if self._passed[text] != order.get("nth", 1):
            return
        try:
            os.rename(self.file, self.file + ".done")  # Once, whoever comes first.
        except OSError:
            return
        locks = {"master": self.paths.master_lock, "launcher": self.paths.launcher_lock, "pump": self.paths.pump_lock}
        pids = [pid for victim in order["victims"] if (pid := holder(locks[victim]))]
        for pid in sorted(pids, key=lambda pid: pid == os.getpid()):  # Ourselves last.
            os.kill(pid, signal.SIGKILL)

    def around(self, point: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with a point before and one after it."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self.passes(point, "before")
            answer = function(*args, **kwargs)
            self.passes(point, "after")
            return answer

        return call


def launcher(arguments: list[str]) -> int:
    """The launcher, its handlers and its words to the pump wrapped."""
    from beeyard.launcher import keeper, main, pumping

    state = arguments[1]
    hand = Hand(state)
    for name, handler in list(main.HANDLERS.items()):
        main.HANDLERS[name] = hand.around(f"launcher {name}", handler)
    send = pumping.PumpClient._send

    def sent(self: Any, message: dict[str, Any], *files: int) -> None:
        hand.around(f"pump {message['type']}", send)(self, message, *files)

    pumping.PumpClient._send = sent  # type: ignore[method-assign]
    main._program = _program
    keeper.STEADY = 0.1  # Killed a hundred times in a row is no crash loop here.
    return main.main(Paths(state), arguments[2:])


def master(state: str) -> int:
    """The master, its effects and its commits wrapped."""
    from beeyard import bootstrap
    from beeyard.adapters.host import launcher as client
    from beeyard.application.effects import Effects
    from beeyard.application.records import Records
    from beeyard.entrypoints import daemon

    hand = Hand(state)
    run, write = Effects.run, Records._write

    def runs(self: Any, supervisor: Any, effect: Any, **kwargs: Any) -> None:
        hand.around(f"master {type(effect).__name__}", run)(self, supervisor, effect, **kwargs)

    async def writes(self: Any, *args: Any, **kwargs: Any) -> None:
        hand.passes("master commit", "before")
        await write(self, *args, **kwargs)
        hand.passes("master commit", "after")

    bootstrap.master_argv = lambda paths: [sys.executable, __file__, "master", paths.state]
    client.launcher_argv = lambda paths, master: [*_program("launcher", paths), "--", *master]
    Effects.run = runs  # type: ignore[method-assign]
    Records._write = writes  # type: ignore[method-assign]
    return daemon.main(state)


def pump(state: str, revive: list[str]) -> int:
    """The pump, quick to miss a launcher."""
    from beeyard.launcher import pump as real
    from beeyard.launcher import revival

    revival.FIRST = 0.2
    return real.main(Paths(state), revive)


def _program(role: str, paths: Paths) -> list[str]:
    """Whoever brings another back brings one with the hand."""
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), role, "--state", paths.state]


if __name__ == "__main__":
    if sys.argv[1] == "master":
        sys.exit(master(sys.argv[2]))
    sys.exit(pump(sys.argv[3], sys.argv[5:]) if sys.argv[1] == "pump" else launcher(sys.argv[2:]))
