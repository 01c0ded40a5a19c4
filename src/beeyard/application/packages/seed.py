"""What a program asks its master about packages, by name and version. Decides nothing that `Installer` does not."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from beeyard.application.audit import Audit
from beeyard.application.packages.asked import install, uninstall
from beeyard.application.packages.condition import PackageHealth, condition
from beeyard.application.packages.installer import Installer
from beeyard.application.packages.status import PackageStatus, at_rest
from beeyard.application.packages.supplies import Supplies
from beeyard.application.packages.wishes import Wish, note
from beeyard.domain.errors import Invalid, NotFound, Refused, Untrusted
from beeyard.domain.packages import Target, Wanted, is_channel, range_of, wanted
from beeyard.domain.resolution import Ask
from beeyard.domain.sources import bound
from beeyard.domain.spec import WorkerSpec
from beeyard.ports.host import Host
from beeyard.ports.package_manager import Installed, PackageManager

PROGRAM = "the program"
"""Who asks, where nobody is named."""


class InstallOptions(Struct, frozen=True):
    """`version`: one, or a range; empty: the newest, or what is there. `repository`: only from this one. `timeout`:
    seconds, less than the policies allow. `allow_downgrade`: if the policies do. `force`: bring it again.
    `target_type`: refuse one that does not run as this."""

    version: str = ""
    repository: str = ""
    timeout: float | None = None
    allow_downgrade: bool = False
    force: bool = False
    target_type: Target | None = None


class UpdateOptions(Struct, frozen=True):
    """`target_version`: one, or a range; empty: the newest. The version before stays, whatever becomes of it."""

    target_version: str = ""
    timeout: float | None = None


class AddWorkerOptions(Struct, frozen=True):
    """`auto_install`: bring its package if that is missing; `required_version` narrows what its spec asks for."""

    auto_install: bool = False
    install_timeout: float | None = None
    allow_downgrade: bool = False
    required_version: str = ""


_ANY, _NEWEST, _THERE = InstallOptions(), UpdateOptions(), AddWorkerOptions()


class PackageCalls(ABC):
    """Of a master. A version is one, or a range; empty: any. Raises Invalid, `version_invalid`, for what is neither."""

    packages: Installer
    supplies: Supplies
    audit: Audit
    host: Host

    async def set_package_manager(self, manager: PackageManager) -> None:
        """Have this one bring packages for repositories whose `manager` is its name, instead of any of that name.

        Workers that wait for a package are looked at again. Raises what it can't be woken for.
        """
        await self.packages.employ(manager)
        self.supplies.retry()

    # --- what is there, and what there is ---------------------------------------------------------------------------

    async def is_package_installed(self, name: str, version: str = "") -> bool:
        """Whether a worker could run from it now: it is here, undamaged, and vouched for as the policies require."""
        await self.packages.look()
        return bool(self.packages.fitting(_wanted(name, version)))

    async def get_installed_packages(self) -> list[Installed]:
        """By name, oldest version first."""
        return list(await self.packages.look())

    get_installed_worker_packages = get_installed_packages

    async def get_available_versions(self, name: str) -> list[str]:
        """What can be installed here, oldest first, without what was yanked.

        Raises:
            NotFound: no repository may have it.
            Unavailable, Untrusted: from its repository.
        """
        found = await self.packages.available(name)
        return list(dict.fromkeys(one.manifest.version for one in found if one.digest and not one.yanked))

    async def check_worker_package_availability(self, name: str, version: str = "") -> bool:
        """Whether it is installed, or could be. Raises Unavailable, Untrusted, from its repository."""
        if await self.is_package_installed(name, version):
            return True
        try:
            return any(_wanted(name, version).takes(found) for found in await self.get_available_versions(name))
        except NotFound:
            return False

    # --- bringing and taking away -----------------------------------------------------------------------------------

    async def install_package(self, name: str, options: InstallOptions = _ANY, *, by: str = PROGRAM) -> Installed:
        """Bring a package and what it needs; it stays until somebody takes it away.

        Raises:
            NotFound: no repository may have it.
            Refused: versions do not go together, a policy forbids it, it belongs to another repository, or it does not
                run as what it is wanted for.
            Untrusted, Rejected, Unavailable: what came is not what was signed, there is no room, it takes too long.
        """
        belongs = bound(name, self.packages.spec.repositories)
        if options.repository and belongs is not None and belongs.name != options.repository:
            text, hint = "{package} comes from {belongs}, not from {repository}", "`packages:` of a repository says so"
            fields = {"package": name, "belongs": belongs.name, "repository": options.repository}
            raise Refused("package_elsewhere", text, hint=hint, **fields)
        wish = Wish(options.timeout, options.allow_downgrade, options.force, target=options.target_type)
        channel = options.version if is_channel(options.version) else ""
        asked = Wanted(name, channel=channel) if channel else _wanted(name, options.version)
        return await self._install(Ask(asked), wish, by)

    install_worker_package = install_package

    async def update_package(self, name: str, options: UpdateOptions = _NEWEST, *, by: str = PROGRAM) -> Installed:
        """Bring a newer version of what is installed. Workers take it when they are started next.

        Raises as `install_package` does, and NotFound if it is not installed.
        """
        await self.packages.look()
        self.packages.require(name)
        return await self._install(Ask(_wanted(name, options.target_version), newest=True), Wish(options.timeout), by)

    async def _install(self, ask: Ask, wish: Wish, by: str) -> Installed:
        because = f"{by} asked for it"
        ensured = await install(self.packages, self.audit, [ask], wish, lambda status: None, by=by, because=because)
        return next(one for one in ensured.packages if one.manifest.name == ask.wanted.name)

    async def uninstall_package(
        self, name: str, version: str = "", *, force: bool = False, by: str = PROGRAM
    ) -> list[Installed]:
        """Take it away, in all versions that fit. What was taken. `force`: also what workers would go back to.

        Raises:
            NotFound: it is not installed.
            Refused: something needs it, or it is a folder as it stands.
        """
        asked = _wanted(name, version)
        found = [
            one for one in await self.packages.look() if one.manifest.name == name and asked.takes(one.manifest.version)
        ]
        found = found or [self.packages.require(name, asked.range)]
        await uninstall(self.packages, self.supplies, found, force=force)
        about = {"packages": [str(one) for one in found]}
        await self.audit.noted("package_uninstalled", f"{by} asked for it", about)
        return found

    # --- how it is --------------------------------------------------------------------------------------------------

    async def get_installation_status(self, name: str) -> PackageStatus:
        """How its install goes, or went; what is there of it, if nobody tried lately. One that failed says why."""
        there = [one for one in await self.packages.look() if one.manifest.name == name]
        known = self.packages.statuses.get(name)
        if known is not None and known.under_way:
            return known
        newest = there[-1] if there else None
        damage = self.packages.damaged.get(newest.digest, []) if newest else []
        if known is not None and known.state == "failed" and not damage:
            return known
        return at_rest(name, newest, damage)

    get_worker_package_status = get_installation_status

    async def validate_package(self, name: str, version: str = "") -> None:
        """Read every byte of it.

        Raises:
            NotFound: it is not installed.
            Untrusted: `package_damaged`, it is not as it was signed.
        """
        installed = await self._require(name, version)
        if damage := await self.packages.verify(installed, "digests"):
            found = "; ".join(f"{one.path} {one.what}" for one in damage)
            text, hint = "{package} is not as it was signed: {damage}", "beeyard package repair"
            raise Untrusted("package_damaged", text, hint=hint, package=str(installed), damage=found)

    async def get_package_health(self, name: str, version: str = "") -> PackageHealth:
        """Whether a worker could run from it, and all that speaks against that. Raises NotFound."""
        installed = await self._require(name, version)
        damage = await self.packages.verify(installed, "digests")
        return await condition(installed, damage, self.packages.installed, self._facts())

    async def _require(self, name: str, version: str) -> Installed:
        await self.packages.look()
        return self.packages.require(name, _wanted(name, version).range)

    def _facts(self) -> Mapping[str, str]:
        return self.host.facts().versions

    # --- workers ----------------------------------------------------------------------------------------------------

    async def add_worker_with_package_check(
        self, spec: WorkerSpec, options: AddWorkerOptions = _THERE, by: str = ""
    ) -> None:
        """Add a worker once the package is there that it runs from.

        Raises as `add_worker` and `install_package` do, and:
            NotFound: `package_not_installed`, it is missing, and `auto_install` was not asked for.
            Invalid: `package_missing`, a version is required of a worker that runs from no package;
                `version_and_channel`, or of one that follows a channel.
        """
        if not spec.package:
            if options.required_version:
                text, hint = "{worker} runs from no package", "name one as its `package`"
                raise Invalid("package_missing", text, hint=hint, worker=spec.id)
            await self.add_worker(spec, by)
            return
        asked = wanted(spec.package)
        if asked.channel and options.required_version:
            text, hint = "{worker} follows the channel {channel}, which says the version", "require none beside it"
            raise Invalid("version_and_channel", text, hint=hint, worker=spec.id, channel=asked.channel)
        ranges = [one for one in (asked.range, _range(options.required_version)) if one]
        asked = replace(asked, range=",".join(ranges))
        if asked.channel or not await self.is_package_installed(asked.name, asked.range):
            if not options.auto_install:
                self.packages.require(asked.name, asked.range)
            ask = Ask(asked, spec.id)
            ensured = await self.packages.ensure([ask], Wish(options.install_timeout, options.allow_downgrade))
            await note(self.audit, ensured, f"{spec.id} runs from it")
        await self.add_worker(replace(spec, package=str(asked) if asked.range or asked.channel else asked.name), by)

    @abstractmethod
    async def add_worker(self, spec: WorkerSpec, by: str = "") -> None:
        """Know a worker, and start it if its spec is enabled."""


def _wanted(name: str, version: str) -> Wanted:
    return Wanted(name, _range(version))


def _range(version: str) -> str:
    try:
        return range_of(version)
    except ValueError as error:
        raise Invalid("version_invalid", "{found}: expected {expected}", found=version, expected=error) from None
