"""How all tests run: hypothesis repeats its examples, torch keeps to one thread of the CPU.

What holds on a GPU is shown by `python -m bench.accelerator`.
"""

from __future__ import annotations

import os

os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch looks, and for the commands that tests start

import torch
from hypothesis import settings

settings.register_profile("nnatomy", max_examples=30, deadline=None, derandomize=True)
settings.load_profile("nnatomy")
torch.set_num_threads(1)
