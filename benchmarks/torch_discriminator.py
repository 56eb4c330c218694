"""Our CMP discriminator in plain PyTorch, as such networks are commonly written: the peer of the training benchmark."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from agetrans.models.discriminator import LEVELS, WIDTHS

_ROW = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8


class PlainDiscriminator(nn.Module):
    """Scores of four levels, each projected on the label, and logits over groups, for pictures `(B, 3, S, S)`."""

    def __init__(self, size: int, groups: int) -> None:
        super().__init__()
        self.halvings = int(math.log2(size // 64))
        self.stem = self._conv(3 * 4**self.halvings, WIDTHS[64], 3)
        self.downs, self.convs, self.scores = nn.ParameterList(), nn.ParameterList(), nn.ParameterList()
        self.embeddings = nn.ParameterList()
        width = WIDTHS[64]
        for side in LEVELS:
            self.downs.append(self._conv(width, WIDTHS[side], 3))
            width = WIDTHS[side]
            self.convs.append(self._conv(width + (side == LEVELS[-1]), width, 3))
            self.scores.append(self._conv(width, 1, 1))
            self.embeddings.append(nn.Parameter(torch.randn(width, groups)))
        self.classify = nn.Parameter(torch.randn(groups, width))

    @staticmethod
    def _conv(inputs: int, outputs: int, size: int) -> Any:
        return nn.Parameter(torch.randn(outputs, inputs, size, size))

    def forward(self, image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Scores `(B, positions)` and logits `(B, groups)`."""
        x = image
        for _ in range(self.halvings):
            x = functional.pixel_unshuffle(x, 2) * 0.5
        x = _activated(x, self.stem)
        scores = []
        for i, side in enumerate(LEVELS):
            kernel = torch.outer(_ROW, _ROW).to(x.dtype).expand(x.shape[1], 1, 4, 4)
            x = functional.conv2d(functional.pad(x, (2, 2, 2, 2)), kernel, groups=x.shape[1])
            x = _activated(x, self.downs[i], stride=2, padding=0)
            if side == LEVELS[-1]:
                spread = x.std(0, unbiased=False).mean().expand(len(x), 1, *x.shape[2:])
                x = torch.cat([x, spread], 1)
            x = _activated(x, self.convs[i])
            embedding = functional.linear(label, self.embeddings[i] / math.sqrt(label.shape[1]))
            projected = (x * embedding[:, :, None, None]).sum(1, keepdim=True) / math.sqrt(x.shape[1])
            score = functional.conv2d(x, self.scores[i] / math.sqrt(x.shape[1])) + projected
            scores.append(score.flatten(1).repeat_interleave((LEVELS[0] // side) ** 2, dim=1))
        logits = functional.linear(x.mean((2, 3)), self.classify / math.sqrt(x.shape[1]))
        return torch.cat(scores, 1), logits


def _activated(x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 1) -> Tensor:
    kernel = kernel / math.sqrt(kernel[0].numel())
    return functional.leaky_relu(
        functional.conv2d(x, kernel, stride=stride, padding=padding), 0.2
    ) * math.sqrt(2)
