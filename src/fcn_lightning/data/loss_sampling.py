"""Loss sampling: parts of a training image that are left out of its loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor


@dataclass(frozen=True)
class LossSampling:
    """Keeps each cell of the network's coarsest map in the loss with a probability.

    A cell is a square of pixels. The grid of cells is shifted at random by less than a cell, so
    that any square of this size can be a cell.

    Deviation: the paper shifts the image, and with it the units of the final layer; here they stay.

    Source: Long et al. 2015, 3.4 with its footnote, and 4.3, Figure 5.

    Attributes:
        keep: The probability p with which a cell stays in the loss.
        stride: Side of a cell, in pixels of the image: the stride of the coarsest map.
    """

    keep: float
    stride: int

    def left_out(self, size: tuple[int, int], seed: int) -> Bool[Tensor, "h w"]:
        """Draw the pixels of an image of `size` (h, w) that are left out of its loss."""
        rng = np.random.default_rng(seed)
        rows, columns = (
            (np.arange(side) + shift) // self.stride
            for side, shift in zip(size, rng.integers(0, self.stride, 2))
        )
        cells = rng.random((rows[-1] + 1, columns[-1] + 1)) >= self.keep
        return torch.from_numpy(cells[rows[:, None], columns])
