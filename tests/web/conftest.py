"""What tests of the server share: a studio, and a finder that takes no time."""

from __future__ import annotations

import numpy as np
import pytest

from agetrans.pictures import encode_picture
from agetrans.web.studio import Sitting
from tests.web.fakes import make_studio


@pytest.fixture(scope="module")
def studio():
    return make_studio()


@pytest.fixture(scope="module")
def sitting(studio, portrait) -> Sitting:
    return Sitting(studio, encode_picture(portrait, ".png"))


@pytest.fixture
def quick_faces(monkeypatch, sitting, portrait):
    """The finder is tested elsewhere: here it knows one portrait, alone or twice side by side."""
    face = sitting.faces[0]

    def find(picture):
        shifts = (0, 256) if picture.shape[1] == 512 else (0,) if picture.shape == portrait.shape else ()
        return [
            type(face)((face.box[0] + x, *face.box[1:]), face.points + np.array([x, 0]), face.score)
            for x in shifts
        ]

    monkeypatch.setattr("agetrans.web.studio.find_faces", find)
