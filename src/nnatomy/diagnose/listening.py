"""Hearing what passes between the layers of a network during a forward pass."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
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


class Calls:
    """Notes once for each module with parameters of its own that it is called.

    Its hook goes with the first call, so that it costs nothing later.

    Args:
        network: Any module.

    Attributes:
        called: Names of the modules that were called.
        heads: Names of those whose output is one of the network's in their first pass.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.called: set[str] = set()
        self.heads: set[str] = set()
        self._made: dict[str, weakref.ref[Tensor]] = {}
        self._handles: dict[str, RemovableHandle] = {}

    def start(self) -> None:
        """Listen from now on."""
        for name, module in self.network.named_modules():
            own = any(True for _ in module.parameters(recurse=False))
            if name and own and type(module).forward is not nn.Module.forward:
                hook = Hook(self._noting(name))
                self._handles[name] = module.register_forward_hook(hook)

    def stop(self) -> None:
        """Leave the network without hooks."""
        for handle in self._handles.values():
            handle.remove()
        self._handles, self._made = {}, {}

    def answered(self, output: Any) -> None:
        """The network's answers, which tell the heads."""
        if not self._made:
            return
        values = output.values() if isinstance(output, dict) else output
        several = (
            list(values)
            if isinstance(values, Iterable) and not isinstance(values, Tensor)
            else [values]
        )
        places = {own.untyped_storage().data_ptr() for own in several if isinstance(own, Tensor)}
        for name, made in self._made.items():
            own = made()
            if own is not None and own.untyped_storage().data_ptr() in places:
                self.heads.add(name)
        self._made = {}

    def _noting(self, name: str) -> Any:
        def note(_module: nn.Module, _inputs: Any, output: Any) -> None:
            self.called.add(name)
            if isinstance(output, Tensor):
                self._made[name] = weakref.ref(output)
            if name in self._handles:
                self._handles.pop(name).remove()

        return note


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
