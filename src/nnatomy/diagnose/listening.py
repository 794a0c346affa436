"""Hearing what passes between the layers of a network during a forward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from nnatomy.diagnose.anatomy import weighted_modules


class Hook:
    """A hook that a copy of the network, or a saved one, carries along without effect.

    Args:
        call: What it calls; None for the copies.
    """

    def __init__(self, call: Callable[..., None] | None = None) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> None:
        """Pass on what the hook is told."""
        if self._call is not None:
            self._call(*arguments)

    def __deepcopy__(self, _memo: dict[int, Any]) -> Hook:
        return Hook()

    def __reduce__(self) -> tuple[type[Hook], tuple[()]]:
        return Hook, ()


class Listener:
    """Keeps what the weighted layers are fed, and the outputs, of the next forward passes.

    Nothing is copied or changed. A layer that is applied several times is heard the last time.

    Args:
        network: Any module.

    Attributes:
        fed: The inputs of each layer by its name, in the order in which they were first heard.
        outputs: What the network returned last.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.fed: dict[str, Tensor] = {}
        self.outputs: Tensor | None = None
        self._modules = weighted_modules(network)
        self._handles: list[RemovableHandle] = []

    @property
    def listens(self) -> bool:
        """Whether it is listening."""
        return bool(self._handles)

    def start(self) -> None:
        """Listen from now on."""
        if self._handles:
            return
        for name, module in self._modules.items():
            self._handles.append(module.register_forward_pre_hook(Hook(self._hearing(name))))
        self._handles.append(self.network.register_forward_hook(Hook(self._answered)))

    def stop(self) -> None:
        """Leave the network without hooks, and forget what was heard."""
        for handle in self._handles:
            handle.remove()
        self._handles, self.fed, self.outputs = [], {}, None

    def _hearing(self, name: str) -> Any:
        def hear(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            if inputs and isinstance(inputs[0], Tensor):
                self.fed[name] = inputs[0].detach()

        return hear

    def _answered(self, _module: nn.Module, _inputs: Any, outputs: Any) -> None:
        if isinstance(outputs, tuple | list) and outputs:
            outputs = outputs[0]
        if isinstance(outputs, Tensor):
            self.outputs = outputs.detach()


def in_order(registered: Sequence[str], heard: Sequence[str]) -> list[str]:
    """Layers in the order of the data, as far as they were heard.

    Args:
        registered: All layers.
        heard: Those that were called, in the order of the calls.

    Returns:
        The heard ones in their order. One that was not called stands behind the one registered
        before it, never first or last: there stand the layers next to inputs and outputs.
    """
    order = list(heard)
    for place, name in enumerate(registered):
        if name not in heard:
            behind = [order.index(other) for other in registered[:place]]
            where = 1 + (behind[-1] if behind else 0)
            last = len(order) - 1 if len(heard) > 1 else len(order)
            order.insert(min(where, last), name)
    return order
