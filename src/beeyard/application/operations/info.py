"""Tell about the master itself."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operation import Call, Operation, Request
from beeyard.domain.pressure import Strain, strain

if TYPE_CHECKING:
    from beeyard.application.master import Master


class InfoView(Struct):
    """One master. `capabilities` is what each provider can do on this host; `orphans` run and are in no record.

    `network` is `ok`, `off`, `changing`, or what is wrong with it; `pressure` is `ok`, or what this host is short of,
    and how much more patient that makes us (docs/restarts.md).
    """

    version: str
    host: str
    master_pid: int
    launcher_pid: int | None
    pump_pid: int | None
    state_dir: str
    socket: str
    url: str | None
    workers: int
    store: str
    capabilities: dict[str, dict[str, str | bool]]
    orphans: list[str]
    network: str = ""
    pressure: str = ""


class Info(Request[InfoView]):
    """Nothing to say."""


async def info(master: "Master", request: Info, call: Call) -> InfoView:
    """Tell about the master: version, processes, socket, store, what this host allows."""
    from importlib.metadata import version  # 20 ms that no command line needs to wait for.

    place = master.place
    return InfoView(
        version=version("beeyard"),
        host=master.host.name(),
        master_pid=place.master_pid,
        launcher_pid=place.launcher_pid(),
        pump_pid=place.pump_pid(),
        state_dir=place.state_dir,
        socket=place.socket,
        url=place.url(),
        workers=len(master.supervisors),
        store=master.records.unwritable or "ok",
        capabilities={
            name: {
                "whole_tree_kill": capable.whole_tree_kill,
                "user_switching": capable.user_switching,
                "exact_exits": capable.exact_exits,
            }
            for name, capable in ((name, provider.capabilities()) for name, provider in master.providers.items())
        },
        orphans=[f"{owned.worker} (pid {owned.handle.state.get('pid')})" for owned in master.orphans()],
        network=master.listening.state,
        pressure=_pressure(strain(master.host.pressure())),
    )


def _pressure(strain: Strain) -> str:
    return f"{strain.reason}; waits are {strain.factor:.1f} times as long" if strain.reason else "ok"


OPERATION = Operation("info", Info, info, route="GET /v1/info")
