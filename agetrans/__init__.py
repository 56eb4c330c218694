"""AgeTrans: a photograph in, the same person at any age out.

>>> from agetrans import AgeTransformer
>>> result = AgeTransformer.from_snapshot("agetrans_10group").transform("anna.jpg", ages=[5, 25, 70])
>>> result.frames.shape
(3, 1600, 1200, 3)

Importing this package imports neither TensorFlow nor Keras; what needs them does so when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agetrans.faces import FaceNotFound as FaceNotFound
    from agetrans.groups import AgeGroups as AgeGroups
    from agetrans.inference import AgeTransformation as AgeTransformation
    from agetrans.inference import AgeTransformer as AgeTransformer
    from agetrans.pictures import PictureError as PictureError
    from agetrans.snapshot import Snapshot as Snapshot
    from agetrans.snapshot import SnapshotError as SnapshotError
    from agetrans.snapshot import load_snapshot as load_snapshot
    from agetrans.snapshot import save_snapshot as save_snapshot

__version__ = "0.1.0"

_HOMES = {
    "AgeGroups": "agetrans.groups",
    "AgeTransformation": "agetrans.inference",
    "AgeTransformer": "agetrans.inference",
    "FaceNotFound": "agetrans.faces",
    "PictureError": "agetrans.pictures",
    "Snapshot": "agetrans.snapshot",
    "SnapshotError": "agetrans.snapshot",
    "load_snapshot": "agetrans.snapshot",
    "save_snapshot": "agetrans.snapshot",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'agetrans' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
