"""Devices, threads and random states."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nnatomy.errors import SettingError
from nnatomy.training.devices import (
    SINGLE_THREAD_PRODUCTS,
    mixed_precision,
    pick_device,
    seeded,
    thread_count,
    threads_for,
)
from nnatomy.training.fit import fit
from nnatomy.training.many import fit_many
from nnatomy.training.observers import Observer
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings
from toy_fit import data, network


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpu", "device 'gpu' is unknown: auto, cpu, cuda, mps"),
        ("", "device '' is unknown: auto, cpu, cuda, mps"),
        ("cuda:97", r"cannot be used: .*; try --device cpu"),
        ("cpu:x", r"cannot be used: .*; try --device cpu"),
    ],
)
def test_a_device_that_is_not_there(name: str, message: str) -> None:
    with pytest.raises(SettingError, match=message) as caught:
        pick_device(name)
    assert "\n" not in str(caught.value)


def test_devices_by_name() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    torch.zeros(1, device=pick_device("auto"))


@pytest.mark.parametrize(
    ("kind", "network", "shape"),  # each 10 000 products a record
    [
        ("dense", nn.Linear(100, 100, bias=False), (100,)),
        ("convolutional", nn.Conv2d(1, 100, 1, bias=False), (1, 10, 10)),
    ],
)
def test_threads_follow_the_size_of_a_step(
    kind: str, network: nn.Module, shape: tuple[int, ...]
) -> None:
    crossing = SINGLE_THREAD_PRODUCTS[kind] // 10_000
    with thread_count(2):
        assert threads_for(network, shape, crossing - 1) == 1
        assert threads_for(network, shape, crossing) == 2


def test_thread_count_is_restored_after_an_error() -> None:
    before = torch.get_num_threads()
    inside = 0

    def fail() -> None:
        nonlocal inside
        with thread_count(before + 1):
            inside = torch.get_num_threads()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert inside == before + 1
    assert torch.get_num_threads() == before


def test_seeded_draws_repeat_and_leave_the_caller_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    draws = []
    for seed in (3, 3, 4):
        with seeded(seed):
            draws.append(torch.rand(5))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("float32", torch.float32), ("auto", torch.float32), ("bfloat16", torch.bfloat16)],
)
def test_precision_on_a_cpu(precision: str, dtype: torch.dtype) -> None:
    with mixed_precision(torch.device("cpu"), precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_a_gpu_takes_repeatable_algorithms_while_training_and_the_users_afterwards() -> None:
    cudnn, seen = torch.backends.cudnn, []

    class Looking(Observer):
        def on_step(self, session: Session) -> None:
            seen.append((cudnn.deterministic, cudnn.benchmark))

    before = cudnn.deterministic, cudnn.benchmark
    try:
        cudnn.deterministic, cudnn.benchmark = False, True
        fit(network(), data(), settings=Settings(epochs=1), observers=[Looking()])
        fit_many([network()], data(), settings=[Settings(epochs=1)], observers=[Looking()])
        assert (cudnn.deterministic, cudnn.benchmark) == (False, True)
    finally:
        cudnn.deterministic, cudnn.benchmark = before
    assert set(seen) == {(True, False)}
