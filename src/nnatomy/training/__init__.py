"""The training loop, its rules, and everything that keeps a run safe."""

from nnatomy.training.fit import fit
from nnatomy.training.inference import outputs_of
from nnatomy.training.objectives import OBJECTIVES, Objective
from nnatomy.training.observers import Observer
from nnatomy.training.optimizers import OPTIMIZERS
from nnatomy.training.schedules import SCHEDULES
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings
from nnatomy.training.state import State

__all__ = [
    "OBJECTIVES",
    "OPTIMIZERS",
    "SCHEDULES",
    "Objective",
    "Observer",
    "Session",
    "Settings",
    "State",
    "fit",
    "outputs_of",
]
