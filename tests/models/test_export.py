"""The convolutional families as ONNX files: written by PyTorch's exporter, run by ONNX Runtime."""

from __future__ import annotations

import copy
import functools
from typing import NamedTuple

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from image_networks import CHANNELS, IMAGENET, OUTPUTS, SMALL, images, started

CASES = {
    **{f"{family}-small": (build, 32) for family, build in SMALL.items()},
    **{f"{family}-imagenet": (build, 64) for family, build in IMAGENET.items()},
}
pytestmark = [
    # The exporter copies what torch.export has made, in it objects of a class that is deprecated.
    pytest.mark.filterwarnings(
        r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated:FutureWarning"
    ),
    pytest.mark.no_cover,  # It would trace the exporter, for as long again as that takes.
    pytest.mark.parametrize("case", CASES),
]


class Exported(NamedTuple):
    network: nn.Module
    side: int
    session: onnxruntime.InferenceSession

    def outputs(self, inputs: Tensor) -> Tensor:
        (found,) = self.session.run(None, {"images": inputs.numpy()})
        return torch.from_numpy(found)


@functools.cache
def exported(case: str) -> Exported:
    """A network and its file, which was written once two images had gone through."""
    build, side = CASES[case]
    network = started(build)
    program = torch.onnx.export(
        network, (images(side),), dynamo=True, dynamic_shapes=({0: "records"},), verbose=False
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return Exported(network, side, session)


def relative(found: Tensor, expected: Tensor) -> float:
    """The largest difference, in units of the largest output."""
    return ((found - expected).abs().max() / expected.abs().max()).item()


def test_the_number_of_images_is_free(case: str) -> None:
    _, side, session = exported(case)
    (inputs,), (outputs,) = session.get_inputs(), session.get_outputs()
    assert inputs.shape == ["records", CHANNELS, side, side]
    assert outputs.shape == ["records", OUTPUTS]


@pytest.mark.parametrize("count", [1, 2, 5])
@torch.no_grad()
def test_outputs_are_pytorchs(case: str, count: int) -> None:
    file = exported(case)
    inputs = images(file.side, count)
    assert relative(file.outputs(inputs), file.network(inputs)) < 1e-4


@torch.no_grad()
def test_outputs_depend_on_images_and_statistics(case: str) -> None:
    """Otherwise they would be equal for the wrong reason."""
    file = exported(case)
    inputs = images(file.side, 5)
    outputs = file.outputs(inputs)
    assert relative(outputs, outputs.mean(0).expand(outputs.shape)) > 1e-2
    forgetful = copy.deepcopy(file.network)
    norms = [module for module in forgetful.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
    assert (relative(outputs, forgetful(inputs)) > 1e-2) == bool(norms)
