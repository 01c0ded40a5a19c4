"""What people and programs ask for: packages that stay until somebody takes them away. One way for all who ask.

The command line reads this too: nothing here loads an event loop.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from beeyard.application.packages.wishes import Ensured, Wish, note
from beeyard.domain.errors import Refused
from beeyard.domain.packages import Wanted, needed_range
from beeyard.domain.resolution import Ask
from beeyard.ports.package_manager import Installed

if TYPE_CHECKING:
    from beeyard.application.audit import Audit
    from beeyard.application.packages.installer import Installer
    from beeyard.application.packages.supplies import Supplies
    from beeyard.application.packages.turns import Tell


async def install(
    installer: "Installer", audit: "Audit", asks: Sequence[Ask], wish: Wish, tell: "Tell", *, by: str, because: str
) -> Ensured:
    """Bring packages and what they need, and note who wants them. Raises as `Installer.ensure` does."""
    ensured = await installer.ensure(asks, wish, tell)
    await note(audit, ensured, because)
    asked = {ask.wanted.name for ask in asks}
    for one in ensured.packages:
        if one.manifest.name in asked and not one.held:
            await installer.hold(one, f"installed by {by}")
    return ensured


async def uninstall(
    installer: "Installer", supplies: "Supplies", found: Sequence[Installed], *, force: bool = False
) -> None:
    """Take all of these away, or none. `force`: also what nobody needs but to go back to it.

    Raises:
        Refused: `package_needed`, a worker runs from one or may yet have to, or another package needs it;
            `package_kept`, a group would go back to it.
    """
    left = [one for one in installer.installed if one not in found]
    for one in found:
        others = [str(other) for other in left if _lacks(other, one, left)]
        users = [*supplies.users(one.digest), *others, *supplies.beside(one.digest)]
        if users := users or supplies.ahead(one.digest):
            text, hint = "{package} is needed by {others}", "remove them first, or let them run another version"
            raise Refused("package_needed", text, package=str(one), others=", ".join(users), hint=hint)
        if not force and (groups := supplies.behind(one.digest)):
            text, hint = "{package} is kept for {groups} to go back to", "beeyard package uninstall {} --force"
            hint = hint.format(f"{one.manifest.name}:{one.manifest.version}")
            raise Refused("package_kept", text, package=str(one), groups=", ".join(groups), hint=hint)
    for one in found:
        await installer.remove(one)


def _lacks(other: Installed, one: Installed, left: Sequence[Installed]) -> bool:
    """Whether the other needs this one, and nothing that is left would do instead."""
    for need in other.manifest.dependencies:
        if need.name != one.manifest.name:
            continue
        wanted = Wanted(need.name, needed_range(other.manifest, need))
        fit = [found.manifest for found in (one, *left) if found.manifest.name == need.name]
        if [manifest for manifest in fit if wanted.takes(manifest.version)] == [one.manifest]:
            return True
    return False
