"""What every worker and every command beside one finds in its environment, and what none may find there."""

from collections.abc import Mapping

OTHERS = frozenset({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
"""What Beeyard itself was given by the service manager that started it; no worker may speak in its name."""


def variables(ports: Mapping[str, int]) -> dict[str, str]:
    """How a program is told its ports."""
    return {port_variable(name): str(port) for name, port in ports.items()}


def port_variable(endpoint: str) -> str:
    """By which it is told the port of one endpoint."""
    return f"BEEYARD_PORT_{endpoint.upper().replace('-', '_')}"
