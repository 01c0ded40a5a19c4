"""Which module a worker runs. Where it runs, within the master or as a process, is for the spec's provider to say."""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from beeyard.domain.values import Duration

DECADE = 10 * 365 * 86400.0
NAME = r"[A-Za-z_][A-Za-z0-9_]*"
FACTORY = rf"^({NAME}(\.{NAME})*:{NAME}(\.{NAME})*|[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?!\n)$"
FACTORY_EXPECTED = "`package.module:factory`, the name of a registered factory, or nothing where a package says it"


class ModuleSpec(Struct, frozen=True, omit_defaults=True):
    """A service written as a module.

    `factory`: with a colon a plugin, found in `folder` or else where Beeyard is installed; without one a name that was
    registered. Values of `config` may refer to secrets, as those of an environment may. `start_timeout`: how long
    `initialize` and `start` may take together.
    """

    factory: Annotated[
        str, Meta(pattern=FACTORY, max_length=512, description=FACTORY_EXPECTED, examples=["echo.service:create"])
    ] = ""
    folder: Annotated[
        str,
        Meta(pattern=r"^(/[^\x00]*)?$", max_length=4095, description="an absolute path, or nothing", examples=["/srv"]),
    ] = ""
    config: Annotated[dict[str, Any], Meta(max_length=10_000, extra={"hidden": True})] = field(default_factory=dict)
    start_timeout: Annotated[
        Duration, Meta(ge=0.001, le=DECADE, description="seconds, from 0.001 to ten years of them")
    ] = Duration(30.0)

    @property
    def plugin(self) -> bool:
        """Whether it is found by its name, not registered."""
        return ":" in self.factory
