"""AgeTrans: re-ages a photograph by predicting how to change it, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from agetrans.head import head_reach
from stylegan2_ops import (
    EqualizedConv2D,
    EqualizedDense,
    StyledConv2D,
    ToImage,
    given_noise,
    haar_up,
    upsample_2d,
)

from .afd import FeatureDecomposition
from .age_estimator import AGES
from .change import apply_change, warp_by_flow
from .generator import Generator
from .icm import IdentityConditionalModule
from .spectrum import spectrum

STYLE_SIZE = 256
BANDS = 12
"""Channels of a picture that is split once."""
WIDTH_FACTORS = (2, 3, 6, 12)
"""Channels over the width argument at the four levels, finest first."""
FLOW_GAIN, DELTA_GAIN, MASK_GAIN = 0.02, 0.25, 2.0
"""Size of a fresh network's displacement (fractions of the width), colour change (of the range [-1, 1]) and mask (a
logit)."""


class Encoder(keras.layers.Layer):
    """A picture to features at four levels, finest first.

    Args:
        width: The levels have 2, 3, 6 and 12 times as many channels, the finest first.
        depth: Pairs of residual convolutions at the coarsest level; the levels between have one convolution each.

    Call arguments:
        image: `(B, S, S, 3)`, S static and a multiple of 16.

    Returns:
        List of `(B, S/2, S/2, 2 width + 12)`, the last 12 the picture's own bands, `(B, S/4, S/4, 3 width)`,
        `(B, S/8, S/8, 6 width)` and `(B, S/16, S/16, 12 width)`.
    """

    def __init__(self, width: int, depth: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.widths = [width * factor for factor in WIDTH_FACTORS]
        self.channels = [self.widths[0] + BANDS, *self.widths[1:]]
        self.depth = depth

    def build(self, input_shape: tuple[Any, ...]) -> None:
        size = input_shape[1]
        policy = {"dtype": self.dtype_policy, "activation": "scaled_leaky_relu"}
        self.stem = EqualizedConv2D(self.widths[0], 3, **policy)
        self.stem.build((None, size // 2, size // 2, BANDS))
        self.downs, self.blocks = [], []
        for level, (fine, coarse) in enumerate(zip(self.widths, self.widths[1:], strict=False)):
            side = size >> (level + 1)
            down = EqualizedConv2D(coarse, 3, resample="down", **policy)
            down.build((None, side, side, fine))
            self.downs.append(down)
            last = coarse == self.widths[-1]
            convs = [EqualizedConv2D(coarse, 3, **policy) for _ in range(2 * self.depth if last else 1)]
            for conv in convs:
                conv.build((None, side // 2, side // 2, coarse))
            self.blocks.append(convs)

    def call(self, image: Any) -> list[Any]:
        bands = ops.cast(spectrum(image, 1), self.compute_dtype)
        x = self.stem(bands)
        features = [ops.concatenate([x, bands], axis=-1)]
        for down, convs in zip(self.downs, self.blocks, strict=True):
            x = down(x)
            for conv in convs:
                x = (x + conv(x)) * 0.7
            features.append(x)
        return features


@keras.saving.register_keras_serializable("agetrans")
class AgeTrans(Generator):
    """Re-ages a photograph: displacement, added colour and a mask, applied to the photograph itself.

    An encoder reads the face once. AFD splits its coarsest features into an age and an identity part; the ICM makes
    each age group's view of the identity; a label mixes these views into a style w and the decoder's start. The
    StyleGAN2 decoder, fed by the encoder's skips, sums a change over its levels: flow, delta and mask. The skips are
    moved by the flow that the coarser levels have summed, as the photograph is in the end. Beyond the head's reach in
    the `ffhq` framing the mask is zero.

    A trained network ages people less than it is asked to. `asked` says which place between its groups to ask for, so
    that the result looks as old as it should; it depends on the age that the network reads in the photograph, because a
    face at its own age stays as it is. `agetrans.training.calibrate` measures it.

    Args:
        size: Core size in pixels, a multiple of 64.
        groups: Number of age groups.
        width: The levels have 2, 3, 6 and 12 times as many channels, the finest first.
        units: Channels of each age group in the ICM.
        asked: `(groups, groups)`: for people of each group, in rows, the place that stands for each wanted group,
            where 0 is the first group and `groups - 1` the last. None asks for the wanted group itself, as training
            does.

    Call arguments:
        image: `(B, size, size, 3)` RGB in [-1, 1].
        label: `(B, groups)`, rows sum to 1; a mix of neighbouring groups is an age between them.
        noise: One map `(1 or B, side, side, 1)` for each of `noise_sides`, or None for zero noise.

    Returns:
        `(B, size, size, 3)` float32 RGB, not clipped.

    Raises:
        ValueError: A size that the network cannot have, or a table `asked` that does not fit.
    """

    def __init__(
        self,
        size: int = 256,
        groups: int = 10,
        width: int = 16,
        units: int = 32,
        asked: Sequence[Sequence[float]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if size < 64 or size % 64:
            raise ValueError(f"The core size must be a multiple of 64 pixels. Received: size={size}")
        self.size, self.groups, self.width, self.units = size, groups, width, units
        self.asked = None if asked is None else np.asarray(asked, np.float64)
        if self.asked is not None and self.asked.shape != (groups, groups):
            raise ValueError(
                f"`asked` has a row and a column for each of {groups} groups. Received: shape {self.asked.shape}"
            )
        if self.asked is not None and not ((self.asked >= 0) & (self.asked <= groups - 1)).all():
            raise ValueError(
                f"Places of `asked` lie between 0 and {groups - 1}. Received: {self.asked.tolist()}"
            )
        sides = [size >> level for level in range(1, 5)]
        self.noise_sides = (sides[3], sides[2], sides[2], sides[1], sides[1], sides[0], sides[0])
        policy = {"dtype": self.dtype_policy}
        self.encoder = Encoder(width, name="encoder", **policy)
        self.afd = FeatureDecomposition(name="afd", **policy)
        self.age_hidden = EqualizedDense(256, activation="scaled_leaky_relu", name="age_hidden", **policy)
        self.age_years = EqualizedDense(AGES, name="age_years", **policy)
        self.age_groups = EqualizedDense(groups, name="age_groups", **policy)
        self.icm = IdentityConditionalModule(groups, units, name="icm", **policy)
        self.to_style = [
            EqualizedDense(STYLE_SIZE, activation="scaled_leaky_relu", name=f"style{i}", **policy)
            for i in range(2)
        ]
        widths = self.encoder.widths
        self.start = EqualizedConv2D(widths[3], 1, name="start", **policy)
        self.first = StyledConv2D(widths[3], name="first", **policy)
        self.ups = [StyledConv2D(widths[k], resample="up", name=f"up{k}", **policy) for k in (2, 1, 0)]
        self.skips = [EqualizedConv2D(widths[k], 1, name=f"skip{k}", **policy) for k in (2, 1, 0)]
        self.convs = [StyledConv2D(widths[k], name=f"conv{k}", **policy) for k in (2, 1, 0)]
        self.to_change = [
            ToImage(channels, name=f"change{k}", **policy)
            for k, channels in zip((3, 2, 1, 0), (6, 6, 6, 4), strict=True)
        ]
        self.to_detail = ToImage(12, name="detail", **policy)
        self.reach = head_reach(size)
        self.build()

    def build(self, input_shape: Any = None) -> None:
        sides = [self.size >> level for level in range(1, 5)]
        widths = self.encoder.widths
        maps = [(None, side, side, channels) for side, channels in zip(sides, widths, strict=True)]
        style = (None, STYLE_SIZE)
        self.encoder.build((None, self.size, self.size, 3))
        self.afd.build(maps[3])
        self.age_hidden.build((None, 5 * widths[3]))
        self.age_years.build((None, 256))
        self.age_groups.build((None, AGES))
        self.icm.build(maps[3])
        self.to_style[0].build((None, 16 * self.units))
        self.to_style[1].build(style)
        self.start.build((*maps[3][:3], self.units))
        self.first.build(maps[3], style)
        self.to_change[0].build(maps[3], style)
        for step, level in enumerate((2, 1, 0)):
            self.ups[step].build(maps[level + 1], style)
            self.skips[step].build((*maps[level][:3], self.encoder.channels[level]))
            self.convs[step].build(maps[level], style)
            self.to_change[step + 1].build(maps[level], style)
        self.to_detail.build(maps[0], style)
        self.built = True

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": self.size,
            "groups": self.groups,
            "width": self.width,
            "units": self.units,
            "asked": None if self.asked is None else self.asked.tolist(),
        }

    def reset_change(self) -> None:
        """Makes every change zero in flow and colour, so that training starts from the unchanged photograph."""
        for layer in (*self.to_change, self.to_detail):
            layer.conv.kernel.assign(ops.zeros_like(layer.conv.kernel))

    def encode(self, image: Any) -> tuple[Any, ...]:
        """What all target ages share.

        Args:
            image: `(B, size, size, 3)` RGB in [-1, 1].

        Returns:
            Skips of three levels, finest first, `(B, S/2, S/2, 2 width + 12)` to `(B, S/8, S/8, 6 width)`; identity
            features `(B, S/16, S/16, 12 width)`; the ICM's view of each group `(B, groups, S/16, S/16, units)`; and
            where there is `asked`, the places `(B, groups)` to ask for.
        """
        codes, age = self._encode(image)
        if self.asked is None:
            return codes
        own = ops.softmax(self._read_age(age)[1])
        return (*codes, ops.matmul(own, ops.convert_to_tensor(self.asked, "float32")))

    def encode_and_read_age(self, image: Any) -> tuple[tuple[Any, ...], tuple[Any, Any]]:
        """The codes of `encode`, and the age that AFD's age part shows; for training, which asks for groups themselves.

        Args:
            image: `(B, size, size, 3)` RGB in [-1, 1].

        Returns:
            The codes; logits over years `(B, 101)` and over groups `(B, groups)`, float32.

        Raises:
            ValueError: There is `asked`.
        """
        if self.asked is not None:
            raise ValueError(
                "A generator is trained without `asked`: make one without it, and give it the weights."
            )
        codes, age = self._encode(image)
        return codes, self._read_age(age)

    def _encode(self, image: Any) -> tuple[tuple[Any, ...], Any]:
        """Skips, identity features, the ICM's views, and AFD's age features `(B, S/16, S/16, 12 width)`."""
        *skips, features = self.encoder(image)
        identity, age = self.afd(features)
        return (*skips, identity, self.icm(identity)), age

    def _read_age(self, age: Any) -> tuple[Any, Any]:
        """MTLFace's age head: the group logits are made from the logits over years."""
        hidden = self.age_hidden(ops.concatenate([_grid_means(age, 2), ops.max(age, axis=(1, 2))], axis=-1))
        years = ops.cast(self.age_years(hidden), "float32")
        return years, ops.cast(self.age_groups(years), "float32")

    def decode(self, codes: tuple[Any, ...], label: Any, noise: Sequence[Any] | None = None) -> Any:
        """The change towards a target age.

        Args:
            codes: From `encode`; or of one face for many labels.
            label: `(B, groups)`, rows sum to 1; where there is `asked`, the place that stands for it is painted.
            noise: One map `(1 or B, side, side, 1)` for each of `noise_sides`, or None for zero noise.

        Returns:
            `(B, size, size, 6)` float32: flow (2, x then y, in fractions of the width), delta (3), mask (1, in
            [0, 1]).

        Raises:
            ValueError: If a noise map has the wrong shape.
        """
        if self.asked is not None:
            label = self._asked_label(label, codes[-1])
            codes = codes[:-1]
        *skips, identity, views = codes
        maps = [None] * len(self.noise_sides) if noise is None else given_noise(noise, self.noise_sides)
        label = ops.cast(label, views.dtype)
        view = ops.sum(views * label[:, :, None, None, None], axis=1)
        w = self.to_style[1](self.to_style[0](_grid_means(view, 4)))
        x = self.first((identity + self.start(view)) * 0.7, w, maps[0])
        change = self.to_change[0](x, w)
        for step, skip in enumerate(reversed(skips)):
            x = self.ups[step](x, w, maps[2 * step + 1])
            # The skip moves with the face: what is painted must know the colour that it changes.
            flow = upsample_2d(change[..., :2]) * FLOW_GAIN
            x = self.convs[step](
                (x + self.skips[step](warp_by_flow(skip, flow))) * 0.7, w, maps[2 * step + 2]
            )
            if step < 2:
                change = self.to_change[step + 1](x, w, change)
        # Displacement stays smooth: it is predicted up to a quarter of the core size; colour and mask go on.
        flow = upsample_2d(flow)
        paint = self.to_change[3](x, w, change[..., 2:])
        paint = upsample_2d(paint)
        delta = (paint[..., :3] + haar_up(self.to_detail(x, w))) * DELTA_GAIN
        # Steep, so that it decides: half a mask shows the old face through the new one. A little beyond [0, 1] and cut,
        # so that it reaches 0 and leaves the background as it is.
        mask = ops.clip(1.1 * ops.sigmoid(MASK_GAIN * paint[..., 3:]) - 0.05, 0.0, 1.0)
        return ops.concatenate([flow, delta, mask * ops.convert_to_tensor(self.reach, mask.dtype)], axis=-1)

    def _asked_label(self, label: Any, places: Any) -> Any:
        """The label to ask for `(B, groups)`: of the place that the wanted label has between a face's own places."""
        place = ops.sum(ops.cast(label, "float32") * places, axis=-1, keepdims=True)
        return ops.relu(1.0 - ops.abs(place - ops.arange(self.groups, dtype="float32")))

    def compose(self, photo: Any, change: Any) -> Any:
        return apply_change(photo, change)


def _grid_means(x: Any, cells: int) -> Any:
    """Means over a grid of cells: `(B, H, W, C)` to `(B, cells * cells * C)`."""
    height, width, channels = x.shape[1:]
    x = ops.reshape(x, (-1, cells, height // cells, cells, width // cells, channels))
    return ops.reshape(ops.mean(x, axis=(2, 4)), (-1, cells * cells * channels))
