"""`Result`: named arrays that report a bad row when they are first read, so that no kernel waits for the GPU."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, ClassVar, Generic, NamedTuple, Self, dataclass_transform

from calibench.kernels import checks
from calibench.kernels.arrays import Array
from calibench.lazy import torch


class Fault(NamedTuple):
    """The bad row that a kernel on the GPU may report, not read yet."""

    caller: str
    """The function that the message names."""
    classes: int
    """K, for the message."""
    flag: torch.Tensor
    """int64 [2]: row * 4 + status of the lowest bad row (INT64_MAX if there is none), and the label of that row."""


_unregistered: list[type[Result[Any]]] = []
"""Results that torch does not know yet."""


def register_results() -> None:
    """Tells torch how to take results apart, so that compiled and exported programs may return them."""
    from torch.utils import _pytree

    while _unregistered:
        cls = _unregistered.pop(0)
        name = f"calibench.kernels.{cls.__name__}"
        _pytree.register_pytree_node(cls, _flatten, cls._unflatten, serialized_type_name=name)


@dataclass_transform(frozen_default=True)
class Result(Generic[Array]):
    """Base class of the kernels' results: fields in order, by name, by iteration and by index, all read-only.

    On CUDA a kernel does not wait for the device. The first read of any field waits, once, and raises an InputError that
    names the lowest bad row, in the words of the CPU kernel. `check()` reads the fault again: call it after each replay
    of a CUDA graph. While a graph is captured or compiled the fault is not read.
    """

    _fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        """Turns each annotated field into a property that reads the fault first."""
        super().__init_subclass__()
        cls._fields = tuple(inspect.get_annotations(cls))
        for index, name in enumerate(cls._fields):
            setattr(cls, name, _reader(index, name))
        _unregistered.append(cls)

    def __init__(self, *values: Array, **by_name: Array) -> None:
        unset: tuple[str, ...] = self._fields[len(values) :]
        if len(values) > len(self._fields) or set(by_name) != set(unset):
            raise TypeError(f"{type(self).__name__} takes {', '.join(self._fields)}")
        self._values: tuple[Any, ...] = (*values, *(by_name[name] for name in unset))
        self._fault: Fault | None = None
        self._checked = True

    @classmethod
    def _of(cls, values: tuple[Array, ...], fault: Fault | None) -> Self:
        """A result whose `fault` is read with the first field; None if every row is known to be good."""
        result = cls(*values)
        result._fault = fault
        result._checked = fault is None
        return result

    def check(self) -> None:
        """Waits for the kernel and raises InputError if a row was bad. Free on the CPU, where the kernel raised it itself."""
        if self._fault is not None:
            checks.raise_fault(self._fault.caller, self._fault.classes, self._fault.flag)
        self._checked = True

    def _read(self) -> tuple[Array, ...]:
        if not self._checked and not torch.compiler.is_compiling() and not _capturing():
            self.check()
        return self._values

    def _asdict(self) -> dict[str, Array]:
        return dict(zip(self._fields, self._read(), strict=True))

    def __iter__(self) -> Iterator[Array]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._fields)

    def __getitem__(self, index: int) -> Array:
        return self._read()[index]

    def __reduce__(self) -> tuple[type[Self], tuple[Array, ...]]:
        return type(self), self._read()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in self._asdict().items())})"

    @classmethod
    def _unflatten(cls, leaves: Any, context: list[Any]) -> Self:
        *values, flag = leaves if context else (*leaves, None)
        return cls._of(tuple(values), Fault(context[0], context[1], flag) if context else None)


def _reader(index: int, name: str) -> Any:
    def read(self: Result[Array]) -> Array:
        return self._read()[index]

    read.__name__ = name
    return property(read)


def _flatten(result: Result[torch.Tensor]) -> tuple[list[torch.Tensor], list[Any]]:
    """Leaves and context for torch.export and torch.compile, which take a result apart and rebuild it."""
    if result._fault is None:
        return list(result._values), []
    return [*result._values, result._fault.flag], [result._fault.caller, result._fault.classes]


def _capturing() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()
