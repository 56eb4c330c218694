"""The recognisers: pictures to identity embeddings, and what each method has beside that."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from agetrans.models.afd import pyramid_pool
from agetrans.recognition.ages import AgeHead
from agetrans.recognition.backbones import BuiltByCalling, Conv, batch_norm, make_backbone
from agetrans.recognition.heads import EmbeddingHead, unit


class FaceEncoder(BuiltByCalling, keras.Model):
    """Base of the recognisers.

    Attributes:
        size: Height and width that it takes.
        features: Length of the identity embedding.

    Call arguments:
        x: `(B, H, W, 3)` in [-1, 1], of exactly `size`.
        training: Whether batch statistics are used and moved.

    Returns:
        Identity embeddings `(B, features)`, not normalised.
    """

    def __init__(self, backbone: str, size: tuple[int, int], width: int, features: int) -> None:
        super().__init__()
        self.size, self.features = size, features
        if size[0] % 16 or size[1] % 16:
            raise ValueError(f"Sides must be multiples of 16. Received: size={size}")
        self.backbone = make_backbone(backbone, width)

    def maps(self, x: Any, training: bool = False) -> list[Any]:
        """Feature maps, finest first.

        Raises:
            ValueError: The pictures are of another size.
        """
        if tuple(x.shape[1:]) != (*self.size, 3):
            raise ValueError(
                f"This recogniser takes pictures of shape {(*self.size, 3)}. Received: {tuple(x.shape)}"
            )
        return self.backbone(x, training=training)

    def _build(self) -> None:
        """Makes all variables: subclasses call it last."""
        self(ops.zeros((2, *self.size, 3)))


class BaselineEncoder(FaceEncoder):
    """A backbone and an embedding head, nothing for ages."""

    def __init__(
        self,
        backbone: str,
        size: tuple[int, int] = (112, 112),
        width: int = 64,
        features: int = 512,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(backbone, size, width, features)
        self.head = EmbeddingHead(features, dropout)
        self._build()

    def call(self, x: Any, training: bool = False) -> Any:
        return self.head(self.maps(x, training)[-1], training=training)


class AttentionDecomposition(layers.Layer):
    """AFD as MTLFace's two programs have it, with batch normalisation (Huang et al., CVPR 2021, section 3.1).

    `agetrans.models.afd` is the same idea for our generators, without norms.

    Args:
        package: Whether roles and pooling are those of the released package: average and maximum side by side, and the
            attention picks the identity. Otherwise, as in the training code and the paper, it picks the age, and
            average and maximum are added.
        reduction: Width of the pooled features over that of the bottleneck.

    Returns:
        The pair (identity, age), each of the shape of x; their sum is x.
    """

    def __init__(self, package: bool = False, reduction: int = 16) -> None:
        super().__init__()
        self.package, self.reduction = package, reduction

    def build(self, input_shape: Any) -> None:
        channels = input_shape[-1]
        pooled = 14 * channels * (2 if self.package else 1)
        self.squeeze = layers.Dense(max(1, pooled // self.reduction), use_bias=False, activation="relu")
        self.squeeze.build((None, pooled))
        self.excite = layers.Dense(channels, use_bias=False)
        self.excite.build((None, self.squeeze.units))
        self.channel_norm, self.spatial_norm = batch_norm(momentum=0.99), batch_norm(momentum=0.99)
        self.channel_norm.build((None, channels))
        self.spatial = Conv(1, 7)
        self.spatial.build((None, *input_shape[1:3], 2))
        self.spatial_norm.build((None, *input_shape[1:3], 1))

    def call(self, x: Any, training: bool = False) -> tuple[Any, Any]:
        average, largest = pyramid_pool(x, ops.mean), pyramid_pool(x, ops.max)
        pooled = ops.concatenate([average, largest], axis=-1) if self.package else average + largest
        channel = ops.sigmoid(self.channel_norm(self.excite(self.squeeze(pooled)), training=training))
        planes = ops.concatenate(
            [ops.max(x, axis=-1, keepdims=True), ops.mean(x, axis=-1, keepdims=True)], axis=-1
        )
        spatial = ops.sigmoid(self.spatial_norm(self.spatial(planes), training=training))
        attended = x * (0.5 * (channel[:, None, None, :] + spatial))
        return (attended, x - attended) if self.package else (x - attended, attended)


class MTLFaceEncoder(FaceEncoder):
    """MTLFace's encoder: a backbone, AFD, the identity head and the age estimator.

    Args:
        backbone: See `make_backbone`.
        size: Height and width.
        width: Channels of the first level.
        features: Length of the embedding and width of the age head.
        groups: Number of age groups.
        package: Which of the two programs of that name, see `AttentionDecomposition`.
    """

    def __init__(
        self,
        backbone: str = "ir50",
        size: tuple[int, int] = (112, 112),
        width: int = 64,
        features: int = 512,
        groups: int = 7,
        package: bool = False,
    ) -> None:
        super().__init__(backbone, size, width, features)
        self.decomposition = AttentionDecomposition(package)
        self.head = EmbeddingHead(features, 0.4 if package else 0.5, learned_scale=not package)
        self.age_head = AgeHead(groups, features)
        self._build()

    def parts(self, x: Any, training: bool = False) -> tuple[Any, Any, list[Any]]:
        """The maps of identity and age, and all maps of the backbone."""
        maps = self.maps(x, training)
        identity, age = self.decomposition(maps[-1], training=training)
        return identity, age, maps

    def call(self, x: Any, training: bool = False) -> Any:
        identity, age, _ = self.parts(x, training)
        if not self.age_head.built:
            self.age_head(age)
        return self.head(identity, training=training)


class DALEncoder(FaceEncoder):
    """DAL's recogniser: embedding x, age part RFM(x), identity part x - RFM(x) (Wang et al., CVPR 2019)."""

    def __init__(
        self, backbone: str = "oecnn", size: tuple[int, int] = (112, 96), width: int = 64, features: int = 512
    ) -> None:
        super().__init__(backbone, size, width, features)
        self.head = EmbeddingHead(features)
        self.residual = [layers.Dense(features, activation="relu") for _ in range(2)]
        self._build()

    def factors(self, x: Any, training: bool = False) -> tuple[Any, Any]:
        """The identity and the age part, each `(B, features)`; the age part has no negative number."""
        embedding = unit(self.head(self.maps(x, training)[-1], training=training))
        age = ops.cast(self.residual[1](self.residual[0](embedding)), "float32")
        return embedding - age, age

    def call(self, x: Any, training: bool = False) -> Any:
        return self.factors(x, training)[0]


class IEFPEncoder(FaceEncoder):
    """One branch of IEFP: a backbone, an embedding head whose scale does not learn, and a purification unit.

    Args:
        backbone: See `make_backbone`.
        size: Height and width.
        width: Channels of the first level.
        features: Length of the embedding.
        purification: Stages of the unit: 0 none, 1 is x - Linear(ReLU(BN(x))), 2 has two stages inside.
    """

    def __init__(
        self,
        backbone: str = "iresnet50",
        size: tuple[int, int] = (112, 112),
        width: int = 64,
        features: int = 512,
        purification: int = 1,
    ) -> None:
        super().__init__(backbone, size, width, features)
        self.head = EmbeddingHead(features, learned_scale=False)
        self.norms = [batch_norm() for _ in range(purification)]
        self.linears = [layers.Dense(features) for _ in range(purification)]
        self._build()

    def call(self, x: Any, training: bool = False) -> Any:
        x = self.head(self.maps(x, training)[-1], training=training)
        impurity = x
        for norm, linear in zip(self.norms, self.linears, strict=True):
            impurity = linear(ops.relu(norm(impurity, training=training)))
        return x - impurity if self.norms else x
