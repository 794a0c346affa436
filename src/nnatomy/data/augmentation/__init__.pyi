from .color import PixelScale as PixelScale
from .images import augment_boxes as augment_boxes
from .images import augment_images as augment_images
from .images import augment_masks as augment_masks
from .samples import AugmentedSamples as AugmentedSamples
from .settings import PRESETS as PRESETS
from .settings import Augmentation as Augmentation
from .settings import augmentation_from as augmentation_from
