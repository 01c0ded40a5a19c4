"""List what runs and is in no record."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operation import Call, Operation, Request
from beeyard.application.views import Orphan

if TYPE_CHECKING:
    from beeyard.application.master import Master


class OrphansView(Struct, frozen=True):
    """The orphans, the oldest first; and the providers that could not be asked, with the reason."""

    orphans: list[Orphan]
    unreachable: dict[str, str]


class OrphanList(Request[OrphansView]):
    """Nothing to say."""


async def orphan_list(master: "Master", request: OrphanList, call: Call) -> OrphansView:
    """List what carries this master's mark and is no worker: what runs, and what ended and was not cleared away.

    Every provider is asked now.
    """
    return OrphansView(*await master.sweep.look())


OPERATION = Operation("orphan_list", OrphanList, orphan_list, role="admin", route="GET /v1/orphans")
