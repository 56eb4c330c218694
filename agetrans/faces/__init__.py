"""Faces in pictures: find them, frame them, cut them out, put them back. Knows nothing of models."""

from __future__ import annotations

from agetrans.faces.face import Face, FaceNotFound, choose_face
from agetrans.faces.finder import find_faces, follow_faces
from agetrans.faces.framing import framing_matrix, similarity
from agetrans.faces.landmarks68 import LandmarksMissing, face_finder
from agetrans.faces.paste import paste_back
from agetrans.faces.warping import warp

__all__ = [
    "Face",
    "FaceNotFound",
    "LandmarksMissing",
    "choose_face",
    "face_finder",
    "find_faces",
    "follow_faces",
    "framing_matrix",
    "paste_back",
    "similarity",
    "warp",
]
