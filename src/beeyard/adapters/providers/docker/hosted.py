"""A module in a container: the program that hosts it, and how that is told what to run. The image holds the module's
code, Beeyard, and the Python that runs both; nothing of this host's is looked at.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from beeyard.adapters import modules
from beeyard.adapters.providers.docker.section import DockerSection
from beeyard.domain.secrets import Secret
from beeyard.domain.spec import WorkerSpec
from beeyard.sdk import terms

PYTHON = ("python3",)
"""What runs it if the section says no `command`."""
PROGRAM = ("-P", "-m", "beeyard.sdk.run")
"""-P: nothing in the folder it runs in may pass for a module of ours."""
ALL = "0.0.0.0"
"""Where a program in a network of its own has to listen: what comes in from outside comes to no loopback address."""


def command(section: DockerSection) -> list[str]:
    """What the container runs."""
    return [*(section.command or PYTHON), *PROGRAM]


def told(
    spec: WorkerSpec, section: DockerSection, attempt: int, ports: Mapping[str, int], secrets: Mapping[str, Secret]
) -> dict[str, str]:
    """Its terms, as variables; `ports` are those within."""
    made = modules.terms_of(spec, attempt, ports, secrets, "")
    hosts = made.hosts if section.networks[:1] == ("host",) else dict.fromkeys(ports, ALL)
    return terms.written(replace(made, folder="", hosts=hosts))
