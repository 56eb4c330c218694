"""How a trainer uses each generator: one pass that paints a picture and shows the identity features it came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from agetrans.models.agetrans import AgeTrans
from agetrans.models.agetransgan import AgeTransGAN
from agetrans.models.generator import Generator
from agetrans.training.trainer import resized


class Painted(NamedTuple):
    """What one pass gives.

    Attributes:
        picture: `(B, S, S, 3)`, at the size of the picture that was given.
        identity: Identity map of the picture that was given, `(B, 16, 16, C)` or at 1/16 of the core size.
        own_age: Logits over years and over groups that the generator reads in the picture that was given, or None.
    """

    picture: Any
    identity: Any
    own_age: tuple[Any, Any] | None


def paint(
    generator: Generator,
    image: Any,
    label: Any,
    target: Any,
    noise: Sequence[Any] | None,
    *,
    with_identity: bool,
) -> Painted:
    """Paints pictures at other ages.

    Args:
        generator: `AgeTrans` or `AgeTransGAN`.
        image: `(B, S, S, 3)` in [-1, 1]; for `AgeTrans` of any size, for `AgeTransGAN` of its own.
        label: `(B, groups)` of the ages that are shown.
        target: `(B, groups)` of the ages that are wanted.
        noise: See the generator.
        with_identity: Whether the identity map is wanted: `AgeTransGAN` encodes once more for it, with the label
            of the age that is shown.
    """
    if isinstance(generator, AgeTrans):
        codes, own_age = generator.encode_and_read_age(resized(image, generator.size))
        change = generator.decode(codes, target, noise)
        return Painted(generator.compose(image, change), codes[-2], own_age)
    picture = generator(image, target, noise)
    return Painted(picture, identity_map(generator, image, label) if with_identity else None, None)


def identity_map(generator: Generator, image: Any, label: Any) -> Any:
    """Identity features of pictures `(B, S, S, 3)` that show the ages `(B, groups)`."""
    if isinstance(generator, AgeTransGAN):
        return generator.features(image, label)[0]
    return generator.encode(resized(image, generator.size))[-2]


def style_and_picture(generator: AgeTransGAN, image: Any, target: Any) -> tuple[Any, Any]:
    """The identity map and the style w `(B, width)` of a picture, for the path length penalty."""
    identity, pooled = generator.features(image, target)
    return identity, generator.map_style(pooled)


def has_styles(generator: Generator) -> bool:
    """Whether the path length penalty can be taken of a generator."""
    return isinstance(generator, AgeTransGAN)


def noise_of(batch: dict[str, Any], generator: Generator) -> list[Any] | None:
    """The noise maps of a batch, None where it has none."""
    if "noise0" not in batch:
        return None
    return [ops.convert_to_tensor(batch[f"noise{k}"]) for k in range(len(generator.noise_sides))]
