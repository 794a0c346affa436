"""nnatomy: the anatomy of neural networks.

Train any network of one graduate lecture on your own data, see inside it, and ship it as a safe
file. Public names are loaded on first use, so that importing the package does not import torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
