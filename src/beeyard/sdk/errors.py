"""What goes wrong between a caller and a service. A class says what the caller should do next."""


class ServiceError(Exception):
    """A call that was not answered as the contract says. `hint`: what to do about it."""

    def __init__(self, text: str, hint: str = "") -> None:
        self.hint = hint
        super().__init__(text)


class Unreachable(ServiceError):
    """Nobody was asked anything: ask again later."""


class Unsent(Unreachable):
    """Between a client and its way to a worker only: a service's own Unreachable must not be taken for this one."""


class Interrupted(ServiceError):
    """It may have been done or not: ask again only for what can be done twice."""


class Failed(ServiceError):
    """The service raised an error that can't be rebuilt here: asking again will not help. `kind` names its class."""

    def __init__(self, text: str, kind: str = "") -> None:
        self.kind = kind
        super().__init__(text)
