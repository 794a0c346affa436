"""Recognizing networks that somebody watches or has changed from outside."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules import module as registry


def is_changed(module: nn.Module) -> bool:
    """Whether a module (its children left aside) has hooks, or a forward of the instance's own."""
    hooks = (
        module._forward_hooks,
        module._forward_pre_hooks,
        module._backward_hooks,
        module._backward_pre_hooks,
    )
    return any(hooks) or "forward" in vars(module)


def is_hooked(parameter: Any) -> bool:
    """Whether a parameter's gradient is changed or watched on its way."""
    after = getattr(parameter, "_post_accumulate_grad_hooks", None)
    return bool(parameter._backward_hooks or after)


def all_are_watched() -> bool:
    """Whether hooks are set on every module there is."""
    hooks = (
        registry._global_forward_hooks,
        registry._global_forward_pre_hooks,
        registry._global_backward_hooks,
        registry._global_backward_pre_hooks,
    )
    return any(hooks)


def is_plain(network: nn.Module) -> bool:
    """Whether nothing beside its modules' code has a say in what a network computes and learns."""
    return not (
        all_are_watched()
        or any(is_changed(module) for module in network.modules())
        or any(is_hooked(parameter) for parameter in network.parameters())
    )
