"""What holds on a GPU: the same numbers as on the CPU, repeatable runs, and what it gains.

Run: python -m bench.accelerator [device]
Prints one line a check, ends with 1 where one failed. Needs a GPU.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from bench.images import CASES, Case, data_of
from bench.timing import compare, print_table
from nnatomy.data.samples import TensorSamples
from nnatomy.diagnose import Probe
from nnatomy.explain import cam
from nnatomy.models import MLP
from nnatomy.training import Settings, fit, outputs_of
from nnatomy.training.folding import for_inference
from nnatomy.training.objectives import OBJECTIVES
from nnatomy.training.observers import Observer

EXACT, CLOSE = 1e-9, 1e-5
"""Of the largest value, in double and in single precision."""

failed: list[str] = []


def check(name: str, holds: bool, figure: object = "") -> None:
    print(f"  {'ok    ' if holds else 'FAILED'} {name} {figure}", flush=True)
    if not holds:
        failed.append(name)


def gap(one: Tensor, other: Tensor) -> float:
    one, other = one.detach().double().cpu(), other.detach().double().cpu()
    return ((one - other).abs().max() / other.abs().max()).item()


def gradients(network: nn.Module, samples: TensorSamples, device: str) -> tuple[Tensor, Tensor]:
    """The loss of the first 32 records and the gradient of all parameters."""
    network.to(device).train()
    network.zero_grad()
    inputs, targets = samples.inputs[:32].to(device), samples.targets[:32].to(device)
    cost, loss = OBJECTIVES["cross_entropy"].cost(network(inputs), targets, None)
    cost.backward()
    return loss, torch.cat([p.grad.flatten() for p in network.parameters()])


def without_dropout(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return network


def trained(case: Case, samples: TensorSamples, **others: object) -> nn.Module:
    observers = others.pop("observers", [])
    torch.manual_seed(0)
    network = case.build()
    fit(network, samples, settings=Settings(**{"epochs": 2, **others}), observers=observers)
    return network


def same_bits(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a.cpu(), b.cpu()) for a, b in pairs)


class HalfWay(Observer):
    """Remembers the state after the first epoch."""

    def on_start(self, session) -> None:
        self.session, self.state = session, None

    def on_epoch(self, session, row) -> None:
        self.state = self.state or session.capture()


def numbers(device: str) -> None:
    print("\nthe same numbers as on the CPU, in double precision")
    for name, case in CASES.items():
        samples = data_of(case)
        samples = TensorSamples(samples.inputs.double(), samples.targets)
        torch.manual_seed(0)
        network = without_dropout(case.build()).double()
        here, there = gradients(network, samples, "cpu"), gradients(network, samples, device)
        found = gap(there[0], here[0]), gap(there[1], here[1])
        check(f"{name}: loss and gradients", max(found) < EXACT, f"{found[0]:.0e} {found[1]:.0e}")
        network.eval()
        images = samples.inputs[:8]
        maps = cam(network, images.to(device)).values
        found_maps = gap(maps, cam(network.cpu(), images).values)
        check(f"{name}: maps", found_maps < CLOSE, f"{found_maps:.0e}")
        on_device = network.to(device)
        whole = outputs_of(on_device, samples)[0]
        folded = gap(outputs_of(for_inference(on_device), samples)[0], whole)
        check(f"{name}: folded for inference", folded < EXACT, f"{folded:.0e}")


def repeatable(device: str) -> None:
    print("\nrepeatable to the bit")
    for name, case in CASES.items():
        samples = data_of(case)
        train = partial(trained, case, samples, device=device)
        first = train()
        check(f"{name}: twice the same", same_bits(first, train()))
        check(f"{name}: watched", same_bits(first, train(observers=[Probe(2)])))
        half = HalfWay()
        whole = train(observers=[half])
        torch.manual_seed(0)
        resumed = case.build()
        settings = Settings(epochs=2, device=device)
        fit(resumed, samples, settings=settings, state=half.state)
        check(f"{name}: resumed after an epoch", same_bits(whole, resumed))


def raw(case: Case, samples: TensorSamples, device: str) -> None:
    """A loop as the tutorials have it: bfloat16, fused Adam, the data on the device."""
    torch.manual_seed(0)
    network = case.build().to(device)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    inputs, targets = samples.inputs.to(device), samples.targets.to(device)
    for _ in range(2):
        order = torch.randperm(len(samples), device=device)
        for chosen in order.split(case.batch):
            optimizer.zero_grad()
            with torch.autocast("cuda", torch.bfloat16):
                cost = OBJECTIVES["cross_entropy"].cost(
                    network(inputs[chosen]), targets[chosen], None
                )
            cost[0].backward()
            optimizer.step()
    torch.cuda.synchronize()


def speed(device: str) -> None:
    for name, case in CASES.items():
        samples = data_of(case)
        samples = TensorSamples(samples.inputs.repeat(4, 1, 1, 1), samples.targets.repeat(4))

        def ours(case=case, samples=samples) -> None:
            trained(case, samples, device=device, batch_size=case.batch)
            torch.cuda.synchronize()

        def watched(case=case, samples=samples) -> None:
            trained(case, samples, device=device, batch_size=case.batch, observers=[Probe()])
            torch.cuda.synchronize()

        ways: dict[str, Callable[[], object]] = {
            "raw loop, bfloat16, fused Adam": lambda c=case, s=samples: raw(c, s, device),
            "nnatomy fit": ours,
            "nnatomy fit, watched": watched,
        }
        title = f"{name}, two epochs of {len(samples)} images, batch {case.batch}"
        print_table(title, compare(ways, rounds=3))


def dense(device: str) -> None:
    print("\na dense network")
    torch.manual_seed(0)
    inputs = torch.randn(20_000, 50)
    samples = TensorSamples(inputs, (inputs[:, :3].sum(1) > 0).long())
    for where in ("cpu", device):
        began = time.perf_counter()
        torch.manual_seed(0)
        settings = Settings(epochs=3, batch_size=256, device=where)
        session = fit(MLP(50, 2, hidden=(256, 256)), samples, settings=settings)
        seconds = time.perf_counter() - began
        print(
            f"  {where}: {session.engine}, {seconds:.2f} s, loss {session.history[-1]['loss']:.4f}"
        )


def main() -> None:
    device = sys.argv[1] if len(sys.argv) > 1 else "cuda"
    print(torch.__version__, torch.cuda.get_device_name(device))
    numbers(device)
    repeatable(device)
    dense(device)
    speed(device)
    if failed:
        raise SystemExit(f"{len(failed)} checks failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
