"""How far a value of a map sees: its receptive field in the image, and the step between fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary


@dataclass(frozen=True)
class Field:
    """What one value of a map depends on, along each axis of the image.

    r' = r + (k - 1) d j,  j' = j s  for windows of side k, dilation d and stride s.
    Source: Araujo, Norris and Sim 2019, Computing receptive fields of convolutional neural
    networks (Distill), equation 2, from the first layer on.

    Args:
        sizes: Side r of the receptive field; padding counts as image.
        jumps: Distance j in the image between the fields of neighbouring values.
    """

    sizes: tuple[int, ...]
    jumps: tuple[int, ...]

    def through(
        self, window: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
    ) -> Field:
        """The field after a layer of such windows."""
        axes = range(len(self.sizes))
        window, stride, dilation = (_each(v, len(self.sizes)) for v in (window, stride, dilation))
        return Field(
            tuple(self.sizes[a] + (window[a] - 1) * dilation[a] * self.jumps[a] for a in axes),
            tuple(self.jumps[a] * stride[a] for a in axes),
        )


def largest(fields: Sequence[Field]) -> Field:
    """The field of a value that depends on several: the largest of them along each axis."""
    return Field(
        tuple(map(max, zip(*(field.sizes for field in fields), strict=True))),
        tuple(map(max, zip(*(field.jumps for field in fields), strict=True))),
    )


def _each(values: Sequence[int], axes: int) -> tuple[int, ...]:
    """One value an axis: a single one holds for all."""
    return tuple(values) * axes if len(values) == 1 else tuple(values)


def _convolved(field: Field, arguments: Sequence[Any]) -> Field | None:
    _, weight, _, stride, _, dilation, transposed = arguments[:7]
    return None if transposed else field.through(weight.shape[2:], stride, dilation)


def _pooled(field: Field, arguments: Sequence[Any]) -> Field:
    """A window without a stride steps by its own side."""
    _, window, stride, _, dilation = (*arguments, *_POOL_DEFAULTS[len(arguments) :])[:5]
    return field.through(window, stride or window, dilation)


def _averaged(field: Field, arguments: Sequence[Any]) -> Field:
    window, stride = (*arguments, [])[1:3]
    return field.through(window, stride or window, [1])


_POOL_DEFAULTS: tuple[Any, ...] = (None, None, [], [0], [1])
_ATEN = torch.ops.aten
_WINDOWS: Mapping[Any, Callable[[Field, Sequence[Any]], Field | None]] = {
    _ATEN.convolution.default: _convolved,
    _ATEN.max_pool2d_with_indices.default: _pooled,
    _ATEN.avg_pool2d.default: _averaged,
    _ATEN.max_pool3d_with_indices.default: _pooled,
    _ATEN.avg_pool3d.default: _averaged,
}


class FieldTracker(TorchDispatchMode):
    """Follows the receptive field through everything that is computed inside the context.

    Convolutions and pooling enlarge it. Any other operation whose result is as high and wide as
    what it read keeps it (the largest, where several are read); after one that is not (flattening,
    a mean over the map, a dense layer, a transposed convolution) there is none.

    Args:
        images: Where every value sees itself alone; (B, C, H, W), (B, C, D, H, W) or
            (B, C, T).
    """

    def __init__(self, images: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._fields = WeakTensorKeyDictionary()
        ones = (1,) * (images.dim() - 2)
        if ones:
            self._fields[images] = Field(ones, ones)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: the wrapper that a compiler would want here takes two seconds to import."""
        return False

    def __enter__(self) -> FieldTracker:
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]

    def field(self, maps: Tensor) -> Field | None:
        """The field of a tensor that was computed inside the context; None where it has none."""
        found: Field | None = self._fields.get(maps)  # type: ignore[no-untyped-call]
        return found

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Compute as without the tracker, and note the fields of the results."""
        results = func(*args, **(kwargs or {}))
        read = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        known = [(t, field) for t in read if (field := self.field(t)) is not None]
        for result in tree_leaves(results):
            if known and isinstance(result, Tensor):
                self._note(func, args, known, result)
        return results

    def _note(
        self, func: Any, args: Sequence[Any], known: list[tuple[Tensor, Field]], result: Tensor
    ) -> None:
        if func in _WINDOWS:
            field = _WINDOWS[func](known[0][1], args)
        else:
            alike = [f for t, f in known if t.dim() == result.dim() > 2 and _sides(t, result)]
            field = largest(alike) if alike else None
        if field is not None:
            self._fields[result] = field


def _sides(first: Tensor, second: Tensor) -> bool:
    return first.shape[2:] == second.shape[2:]
