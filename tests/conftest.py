"""How all tests run: hypothesis repeats its examples, and torch keeps to one thread."""

from __future__ import annotations

import torch
from hypothesis import settings

settings.register_profile("nnatomy", max_examples=30, deadline=None, derandomize=True)
settings.load_profile("nnatomy")
torch.set_num_threads(1)
