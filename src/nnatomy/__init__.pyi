from . import data as data
from . import models as models
from . import training as training
