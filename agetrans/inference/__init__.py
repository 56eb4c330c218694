"""Ageing photographs: from a picture to frames, and from frames to files, sheet and film."""

from __future__ import annotations

from agetrans.inference.transformer import AgeStream, AgeTransformation, AgeTransformer, FramedFace

__all__ = ["AgeStream", "AgeTransformation", "AgeTransformer", "FramedFace"]
