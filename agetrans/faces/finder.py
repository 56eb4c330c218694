"""Finding faces: MTCNN's cascade over a pyramid of a scaled picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from agetrans.faces import mtcnn
from agetrans.faces.face import Face

Image = npt.NDArray[np.float32]
Boxes = npt.NDArray[np.float64]  # (N, 4): left, top, right, bottom; edges, so the first pixel covers 0 to 1

WORKING_SIDE = 1024
"""Longest side in pixels of the copy that is searched."""
SECOND_SIDE = 2048
"""The same where the first copy shows nobody, or tiny faces alone: it takes four times as long."""
SMALLEST_FACE = 24
"""Width in pixels of the smallest face that is looked for in these; `face.SMALLEST_WIDTH` leaves a margin."""
PYRAMID_STEP = 0.709
PROPOSAL_THRESHOLD, REFINE_THRESHOLD, OUTPUT_THRESHOLD = 0.6, 0.7, 0.8


def at_most(picture: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """A picture `(H, W, 3)` whose longer side is at most so many pixels, averaged over areas; itself where it is."""
    height, width = picture.shape[:2]
    scale = min(1.0, side / max(height, width))
    if scale == 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def find_faces(picture: npt.NDArray[np.uint8]) -> list[Face]:
    """Finds the faces of a picture.

    Args:
        picture: `(H, W, 3)` uint8, RGB.

    Returns:
        Faces, largest first; empty where there are none.

    Raises:
        ValueError: The picture has another shape.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(f"A picture of shape (H, W, 3) is needed. Received shape: {picture.shape}")
    faces = _search(picture, WORKING_SIDE)
    shrunk = max(picture.shape[:2]) / WORKING_SIDE
    # Points of faces that are only just seen would be coarse.
    if shrunk > 1 and all(face.box[2] < SMALLEST_FACE * shrunk for face in faces):
        faces = _search(picture, SECOND_SIDE) or faces
    return faces


def _search(picture: npt.NDArray[np.uint8], side: int) -> list[Face]:
    """The faces, largest first, that are seen in a copy of at most so many pixels a side."""
    height, width = picture.shape[:2]
    image: Image = (at_most(picture, side).astype(np.float32) - np.float32(127.5)) / np.float32(128)
    boxes = _proposals(image)
    if len(boxes):
        boxes = _refined(image, boxes)
    if not len(boxes):
        return []
    scores, offsets, points = mtcnn.describe(_patches(image, boxes, mtcnn.OUTPUT_SIZE))
    keep = scores > OUTPUT_THRESHOLD
    boxes, scores, offsets, points = boxes[keep], scores[keep], offsets[keep], points[keep]
    places = boxes[:, None, :2] + points * (boxes[:, None, 2:] - boxes[:, None, :2])
    boxes = _move(boxes, offsets)
    to_picture = np.array([width / image.shape[1], height / image.shape[0]])
    faces = []
    for i in _suppress(boxes, scores, 0.7, of_smaller=True):
        left, top, right, bottom = (boxes[i] * np.tile(to_picture, 2) - 0.5).tolist()
        box = (left, top, right - left, bottom - top)
        faces.append(Face(box=box, points=places[i] * to_picture - 0.5, score=float(scores[i])))
    return sorted(faces, key=lambda face: -face.area)


def follow_faces(picture: npt.NDArray[np.uint8], faces: Sequence[Face]) -> list[Face | None]:
    """Finds faces again near where they were in the frame before: only the last network, milliseconds a face.

    Args:
        picture: `(H, W, 3)` uint8, RGB.
        faces: Where they were.

    Returns:
        For each of them where it is now, or None where nothing there is a face any more.
    """
    return [_follow(picture, face) for face in faces]


def _follow(picture: npt.NDArray[np.uint8], face: Face) -> Face | None:
    height, width = picture.shape[:2]
    x, y, across, down = face.box
    square = _square(np.array([[x, y, x + across, y + down]]) + 0.5)
    left, top = np.clip(np.floor(square[0, :2]).astype(int), 0, (width, height))
    right, bottom = np.clip(np.ceil(square[0, 2:]).astype(int), 0, (width, height))
    if right - left < mtcnn.PROPOSAL_CELL or bottom - top < mtcnn.PROPOSAL_CELL:
        return None
    part: Image = (picture[top:bottom, left:right].astype(np.float32) - np.float32(127.5)) / np.float32(128)
    boxes = square - np.tile((left, top), 2)
    scores, offsets, points = mtcnn.describe(_patches(part, boxes, mtcnn.OUTPUT_SIZE))
    if scores[0] <= OUTPUT_THRESHOLD:
        return None
    corner = np.array([left, top]) - 0.5
    place = boxes[0, :2] + points[0] * (boxes[0, 2:] - boxes[0, :2]) + corner
    x0, y0, x1, y1 = (_move(boxes, offsets)[0] + np.tile(corner, 2)).tolist()
    return Face(box=(x0, y0, x1 - x0, y1 - y0), points=place, score=float(scores[0]))


def _proposals(image: Image) -> Boxes:
    height, width = image.shape[:2]
    scale = mtcnn.PROPOSAL_CELL / SMALLEST_FACE
    found_boxes: list[Boxes] = [np.empty((0, 4))]
    found_scores: list[npt.NDArray[np.float32]] = [np.empty(0, np.float32)]
    while min(height, width) * scale >= mtcnn.PROPOSAL_CELL:
        size = (round(width * scale), round(height * scale))
        scores, offsets = mtcnn.propose(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        rows, columns = np.nonzero(scores > PROPOSAL_THRESHOLD)
        corners = np.stack([columns, rows], axis=1) * float(mtcnn.PROPOSAL_STRIDE)
        cells = np.concatenate([corners, corners + mtcnn.PROPOSAL_CELL], axis=1)
        boxes = _move(cells, offsets[rows, columns]) * np.tile([width / size[0], height / size[1]], 2)
        kept = _suppress(boxes, scores[rows, columns], 0.5)
        found_boxes.append(boxes[kept])
        found_scores.append(scores[rows, columns][kept])
        scale *= PYRAMID_STEP
    boxes = np.concatenate(found_boxes)
    return _square(boxes[_suppress(boxes, np.concatenate(found_scores), 0.7)])


def _refined(image: Image, boxes: Boxes) -> Boxes:
    scores, offsets = mtcnn.refine(_patches(image, boxes, mtcnn.REFINE_SIZE))
    keep = scores > REFINE_THRESHOLD
    boxes = _move(boxes[keep], offsets[keep])
    return _square(boxes[_suppress(boxes, scores[keep], 0.7)])


def _move(boxes: Boxes, offsets: npt.NDArray[np.float32]) -> Boxes:
    return boxes + offsets * np.tile(boxes[:, 2:] - boxes[:, :2], 2)


def _square(boxes: Boxes) -> Boxes:
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate([centres - half, centres + half], axis=1)


def _suppress(boxes: Boxes, scores: npt.NDArray, overlap: float, of_smaller: bool = False) -> list[int]:
    """Non-maximum suppression: indices of the boxes to keep, best first."""
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        sides = np.minimum(boxes[best, 2:], boxes[rest, 2:]) - np.maximum(boxes[best, :2], boxes[rest, :2])
        shared = np.prod(np.maximum(sides, 0), axis=1)
        whole = np.minimum(areas[best], areas[rest]) if of_smaller else areas[best] + areas[rest] - shared
        order = rest[shared <= overlap * whole]
    return kept


def _patches(image: Image, boxes: Boxes, size: int) -> Image:
    """Cuts square boxes out, `(N, size, size, 3)`; mean grey outside the picture."""
    height, width = image.shape[:2]
    patches = np.zeros((len(boxes), size, size, 3), np.float32)
    for patch, box in zip(patches, boxes, strict=True):
        left, top, right, bottom = (round(float(n)) for n in box)
        if right - left < 1 or bottom - top < 1:
            continue
        inside = image[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
        if not inside.size:
            continue
        above, below = max(-top, 0), max(bottom - height, 0)
        before, after = max(-left, 0), max(right - width, 0)
        whole = cv2.copyMakeBorder(inside, above, below, before, after, cv2.BORDER_CONSTANT)
        area = right - left > size
        patch[:] = cv2.resize(whole, (size, size), interpolation=cv2.INTER_AREA if area else cv2.INTER_LINEAR)
    return patches
