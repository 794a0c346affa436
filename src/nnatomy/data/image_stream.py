"""Image files that are unpacked while the network trains, for sets that do not fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nnatomy.data.image_decode import Framing, decode_image
from nnatomy.data.prefetch import default_workers, in_order
from nnatomy.types import Batch

CHUNK = 16
"""Images that one thread unpacks at a time: enough to hide the cost of handing over the work."""

_BATCHES_AHEAD = 2


class ImageFileSamples:
    """Training samples read from image files, unpacked by threads a few batches ahead.

    Batches come in exactly the order asked for, whatever the number of threads.

    Args:
        paths: Files that can be opened.
        targets: (N,) int64 class indices, or (N, K) float values.
        framing: Size, channels and fit of the unpacked images.
        transform: Turns a batch of (B, H, W, C) bytes into network inputs; None to leave them.
        workers: Number of threads; None for one a processor.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        targets: Tensor,
        *,
        framing: Framing,
        transform: Callable[[Tensor], Tensor] | None = None,
        workers: int | None = None,
    ) -> None:
        self.paths = paths
        self.targets = targets
        self.framing = framing
        self.transform = transform
        self.workers = workers or default_workers()

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input as the network sees it."""
        blank = torch.zeros((1, *self.framing.shape), dtype=torch.uint8)
        return tuple((self.transform(blank) if self.transform else blank).shape[1:])

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """One image as it is fed, before the transform: (H, W, C) bytes."""
        return decode_image(self.paths[index], self.framing)

    def batches(self, order: Tensor | None, size: int) -> Iterator[Batch]:
        """Yield mini-batches of `size` images (the last may be smaller) in the given order.

        Raises:
            UnreadableImageError: A file was changed or removed since it was checked.
        """
        order = torch.arange(len(self)) if order is None else order
        batches = torch.split(order, size) if len(order) else ()
        chunks = (chunk.tolist() for batch in batches for chunk in torch.split(batch, CHUNK))
        # A generator is closed before the threads that feed it end, so close them in turn.
        decoded = in_order(
            self._decode, chunks, workers=self.workers, ahead=self._chunks_ahead(size)
        )
        try:
            for batch in batches:
                parts = [next(decoded) for _ in torch.split(batch, CHUNK)]
                inputs = torch.from_numpy(np.concatenate(parts))
                if self.transform:
                    inputs = self.transform(inputs)
                yield Batch(inputs, self.targets[batch], None)
        finally:
            decoded.close()

    def _chunks_ahead(self, size: int) -> int:
        return max(2 * self.workers, _BATCHES_AHEAD * -(-size // CHUNK))

    def _decode(self, indices: list[int]) -> NDArray[np.uint8]:
        images = np.empty((len(indices), *self.framing.shape), np.uint8)
        for slot, index in enumerate(indices):
            images[slot] = self.pixels(index)
        return images
