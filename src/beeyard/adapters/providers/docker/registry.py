"""What an engine is shown when it is to pull an image: what Docker's own config says of the image's registry."""

import base64
import json

from beeyard.adapters.images.docker_config import HUB, login


def registry(image: str) -> str:
    """The registry that an image's name begins with; HUB when with none."""
    first, slash, _ = image.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    return HUB if not named or first in ("docker.io", "index.docker.io") else first


async def headers(image: str) -> dict[str, str]:
    """What a pull of this image is to be asked for with; nothing where nothing is known. Raises Unavailable."""
    server = registry(image)
    found = await login("docker.io" if server == HUB else server)
    if found is None:
        return {}
    shown = {"identitytoken": found.token} if found.token else {"username": found.username, "password": found.password}
    written = json.dumps(shown | {"serveraddress": server}).encode()
    return {"X-Registry-Auth": base64.urlsafe_b64encode(written).decode()}
