"""What a contract is: a Protocol or an abstract class, whose public methods say by their annotations what is asked and
what is answered.

    class Echo(Protocol):
        async def say(self, text: str) -> str: ...

The caller and the service both know it, and nothing of where the other one runs. What travels from one process to
another has to be of types that msgspec can write.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar, Union, get_type_hints
from weakref import WeakKeyDictionary

import msgspec
from msgspec import UNSET, Struct, UnsetType

F = TypeVar("F", bound=Callable[..., Any])


def thread_safe(method: F) -> F:
    """Mark a plain method of a contract: within one process it is called in the caller's thread, at no cost."""
    method.__thread_safe__ = True  # type: ignore[attr-defined]
    return method


class Method(Struct, frozen=True, eq=False):
    """One method. `waits`: it is `async`; `safe`: it is marked `thread_safe`; `asked`: its arguments as one value."""

    name: str
    waits: bool
    safe: bool
    signature: inspect.Signature
    asked: type[Struct]
    answer: Any

    def written(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
        """A call's arguments, as JSON. Raises TypeError for what is no call of it."""
        return msgspec.json.encode(self.signature.bind(*args, **kwargs).arguments)

    def read(self, body: bytes) -> dict[str, Any]:
        """The same on the other side. Raises msgspec.MsgspecError."""
        asked = msgspec.json.decode(body, type=self.asked)
        return {name: value for name in asked.__struct_fields__ if (value := getattr(asked, name)) is not UNSET}


class Contract(Struct, frozen=True, eq=False):
    """One contract, understood. `errors`: those that its class says may come back as themselves."""

    name: str
    methods: dict[str, Method]
    errors: dict[str, type[Exception]]

    def require(self, target: object) -> None:
        """Raises TypeError naming the methods that this object lacks, or has otherwise."""
        wrong = []
        for method in self.methods.values():
            found = getattr(target, method.name, None)
            if not callable(found):
                wrong.append(f"{method.name} is missing")
            elif inspect.iscoroutinefunction(found) != method.waits:
                wrong.append(f"{method.name} is {'not ' if method.waits else ''}async")
        if wrong:
            raise TypeError(f"{type(target).__name__} does not keep to the contract {self.name}: {', '.join(wrong)}")


_KNOWN: WeakKeyDictionary[type[Any], Contract] = WeakKeyDictionary()


def understood(contract: type[Any]) -> Contract:
    """What a class says, read once. Raises TypeError for one that is no contract."""
    found = _KNOWN.get(contract)
    if found is None:
        methods = {name: _method(contract, name, function) for name, function in _functions(contract).items()}
        if not methods:
            raise TypeError(f"{contract.__name__} is no contract: it has no public methods")
        beyond = sorted(getattr(contract, "__abstractmethods__", frozenset()) - methods.keys())
        if beyond:
            raise TypeError(f"{contract.__name__} is no contract: {', '.join(beyond)} can't be called from outside")
        errors = {error.__name__: error for error in getattr(contract, "errors", ())}
        found = _KNOWN[contract] = Contract(contract.__name__, methods, errors)
    return found


def _functions(contract: type[Any]) -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for parent in reversed(contract.__mro__):
        if parent not in (object, Protocol, Generic):
            own = {name: value for name, value in vars(parent).items() if inspect.isfunction(value)}
            found |= {name: value for name, value in own.items() if not name.startswith("_")}
    return found


def _method(contract: type[Any], name: str, function: Callable[..., Any]) -> Method:
    hints, signature = get_type_hints(function, include_extras=True), inspect.signature(function)
    _, *parameters = signature.parameters.values()
    where = f"{contract.__name__}.{name}"
    if inspect.isasyncgenfunction(function):
        raise TypeError(f"{where} yields: a method of a contract answers once")
    for one in parameters:
        if one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
            raise TypeError(f"{where}: {one} can't be passed by its name")
    lacking = [one for one in (*(p.name for p in parameters), "return") if one not in hints]
    if lacking:
        raise TypeError(f"{where} lacks annotations: {', '.join(lacking)}")
    fields: list[Any] = [
        (one.name, hints[one.name])
        if one.default is one.empty
        else (one.name, Union[hints[one.name], UnsetType], UNSET)  # noqa: UP007  # hints may be forward references
        for one in parameters
    ]
    return Method(
        name=name,
        waits=inspect.iscoroutinefunction(function),
        safe=getattr(function, "__thread_safe__", False),
        signature=signature.replace(parameters=parameters),
        asked=msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True),
        answer=hints["return"],
    )
