"""What a package supplies to a pod that runs from it: its image. A cluster sees nothing that lies on this host."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from beeyard.adapters.providers.kubernetes.section import KubernetesSection
from beeyard.domain.errors import Refused
from beeyard.domain.packages import Manifest
from beeyard.domain.supply import Equipment


def equipped(section: KubernetesSection, manifest: Manifest, needs: Mapping[str, str], image: str) -> Equipment:
    """The section with the package's image, by its digest.

    Raises:
        Refused: `package_no_image`, it is none; or `package_elsewhere`, it needs others that are none.
    """
    package = {"package": manifest.name, "version": manifest.version}
    hint = "build it as an image: `beeyard package build --oci`"
    if not image:
        text = "{package} {version} is no image, and its files are not in the cluster"
        raise Refused("package_no_image", text, hint=hint, **package)
    if needs:
        text = "{package} {version} needs {needs}, whose files are not in the cluster"
        raise Refused("package_elsewhere", text, hint=hint, needs=", ".join(sorted(needs)), **package)
    plain: dict[str, Any] = msgspec.to_builtins(replace(section, image=image))
    return Equipment(plain)
