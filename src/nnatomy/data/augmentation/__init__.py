"""More data from less: images varied anew in every epoch, with their masks and boxes.

Names are loaded on first use: settings are checked where torch is not needed.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
