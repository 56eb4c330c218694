"""StyleGAN2's layers on `keras.ops`, channels last, for the TensorFlow and the PyTorch backend of Keras 3.

After Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), with the
depthwise-separable convolution and the Haar resampling of Belousov, "MobileStyleGAN" (2021). Nothing here is
compiled: every function is an ordinary composition of Keras operations, so gradients of gradients (R1, path
length) come by themselves.
"""

from __future__ import annotations

from stylegan2_ops.activation import scaled_leaky_relu
from stylegan2_ops.equalized import EqualizedConv2D, EqualizedDense
from stylegan2_ops.haar import haar_down, haar_up
from stylegan2_ops.minibatch import minibatch_stddev
from stylegan2_ops.modulated import ModulatedConv2D
from stylegan2_ops.noise import StoredNoise, given_noise, random_noise, seeded_noise, zero_noise
from stylegan2_ops.resample import blur_2d, downsample_2d, fir_filter, upsample_2d
from stylegan2_ops.styled import NoiseInjection, StyledConv2D, ToImage

__all__ = [
    "EqualizedConv2D",
    "EqualizedDense",
    "ModulatedConv2D",
    "NoiseInjection",
    "StoredNoise",
    "StyledConv2D",
    "ToImage",
    "blur_2d",
    "downsample_2d",
    "fir_filter",
    "given_noise",
    "haar_down",
    "haar_up",
    "minibatch_stddev",
    "random_noise",
    "scaled_leaky_relu",
    "seeded_noise",
    "upsample_2d",
    "zero_noise",
]
