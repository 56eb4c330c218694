"""From a photograph to frames."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import agetrans
from agetrans.faces import find_faces, framing_matrix, warp
from agetrans.faces.framing import invert
from agetrans.groups import AgeGroups
from agetrans.inference import AgeTransformer
from agetrans.inference.compose import compose

TEN = AgeGroups.of(10)


@pytest.fixture(scope="module")
def transformer(tiny_generator) -> AgeTransformer:
    return AgeTransformer(tiny_generator, TEN, batch_size=4)


def test_result_says_all_there_is(transformer, portrait):
    result = transformer.transform(portrait, ages=[5, 70], paste=False, size=128)
    face = find_faces(portrait)[0]
    assert result.frames.shape == (2, 128, 128, 3)
    assert result.frames.dtype == np.uint8
    assert result.box == face.box
    np.testing.assert_array_equal(result.transform, framing_matrix(face.points, "ffhq", 128))
    np.testing.assert_array_equal(result.crop, warp(portrait, result.transform, 128))
    np.testing.assert_array_equal(result.ages, [5, 70])
    np.testing.assert_array_equal(result.labels, TEN.soft_label([5, 70]))


def test_frames_are_the_models_changes_applied_to_the_crop(transformer, tiny_generator, portrait):
    """The long way round: the model in one call for each frame, without batches, threads or compiling."""
    from keras import ops

    result = transformer.transform(portrait, steps=1, paste=False, size=64)
    image = ops.convert_to_tensor(result.crop[None].astype(np.float32) / 127.5 - 1)
    codes = tiny_generator.encode(image)
    for frame, label in zip(result.frames, result.labels, strict=True):
        change = ops.convert_to_numpy(tiny_generator.decode(codes, ops.convert_to_tensor(label[None])))[0]
        expected = compose(result.crop, change).astype(int)
        assert np.abs(frame - expected).max() <= 1
    assert np.abs(result.frames[0].astype(int) - result.crop).mean() > 1


def test_a_stream_gives_the_same_frames_twice(transformer, portrait):
    stream = transformer.stream(portrait, steps=2, paste=False, size=64)
    first = np.stack(list(stream))
    assert len(stream) == len(first) == 19
    np.testing.assert_array_equal(first, np.stack(list(stream)))
    np.testing.assert_array_equal(
        first, transformer.transform(portrait, steps=2, paste=False, size=64).frames
    )


def test_batches_do_not_change_the_frames(tiny_generator, portrait):
    one, five = (
        AgeTransformer(tiny_generator, TEN, batch_size=n)
        .transform(portrait, steps=1, paste=False, size=64)
        .frames
        for n in (1, 5)
    )
    assert np.abs(one.astype(int) - five).max() <= 1


def test_pasting_changes_the_face_and_leaves_the_rest(transformer, portrait):
    result = transformer.transform(portrait, ages=[70])
    assert result.frames.shape == (1, *portrait.shape)
    difference = np.abs(result.frames[0].astype(int) - portrait)
    x, y, width, height = (int(n) for n in result.box)
    assert difference[y : y + height, x : x + width].mean() > 1
    side = len(result.crop)
    corners = invert(result.transform) @ np.array([[0, 0, 1], [side, 0, 1], [0, side, 1], [side, side, 1]]).T
    bottom = int(np.ceil(corners[1].max())) + 2
    np.testing.assert_array_equal(result.frames[0][bottom:], portrait[bottom:])


def test_all_faces_or_the_one_that_is_asked_for(transformer, portrait):
    small = portrait[20:148, 50:178]
    pair = np.concatenate([np.kron(small, np.ones((2, 2, 1), np.uint8)), portrait], axis=1)
    everyone = transformer.transform(pair, ages=[70], face="all")
    assert len(everyone.faces) == 2
    changed = np.abs(everyone.frames[0].astype(int) - pair).mean(axis=2)
    for index in (0, 1):
        one = transformer.transform(pair, ages=[70], face=index)
        assert one.box == everyone.faces[index].box
        x, y, width, height = (int(n) for n in one.box)
        assert changed[y : y + height, x : x + width].mean() > 1
    with pytest.raises(ValueError, match="choose a face by its number"):
        transformer.transform(pair, ages=[70], face="all", paste=False)
    with pytest.raises(agetrans.FaceNotFound, match="2 faces were found"):
        transformer.transform(pair, ages=[70], face=2)


def test_no_face_is_an_error_of_its_own(transformer):
    with pytest.raises(agetrans.FaceNotFound, match="No face was found"):
        transformer.transform(np.full((200, 200, 3), 128, np.uint8))


def test_accepts_paths_and_pil_pictures(transformer, portrait, tmp_path):
    from PIL import Image

    Image.fromarray(portrait).save(tmp_path / "portrait.png")
    frames = transformer.transform(portrait, ages=[5]).frames
    for image in (tmp_path / "portrait.png", str(tmp_path / "portrait.png"), Image.fromarray(portrait)):
        np.testing.assert_array_equal(transformer.transform(image, ages=[5]).frames, frames)
    with pytest.raises(agetrans.PictureError):
        transformer.transform(tmp_path / "none.png", ages=[5])
    with pytest.raises(ValueError, match="Received"):
        transformer.transform(portrait.astype(np.float32), ages=[5])


def test_noise_comes_from_the_seed_alone(transformer, tiny_generator, portrait):
    strengths = [w for w in tiny_generator.weights if w.path.endswith("strength")]
    assert strengths
    before = [w.value + 0 for w in strengths]
    for weight in strengths:
        weight.assign(0.5)
    try:
        silent, one, again, two = (
            transformer.transform(portrait, ages=[5], paste=False, size=64, seed=seed).frames
            for seed in (None, 1, 1, 2)
        )
    finally:
        for weight, value in zip(strengths, before, strict=True):
            weight.assign(value)
    np.testing.assert_array_equal(one, again)
    assert (one != two).any()
    assert (one != silent).any()


def test_the_face_is_encoded_once_and_decoded_in_whole_batches(tiny_generator, portrait, monkeypatch):
    transformer = AgeTransformer(tiny_generator, TEN, batch_size=4)
    encoded, batches = [], []
    encode, decode = transformer._engine._encode, transformer._engine._decode
    monkeypatch.setattr(
        transformer._engine, "_encode", lambda image: encoded.append(image.shape) or encode(image)
    )
    monkeypatch.setattr(
        transformer._engine,
        "_decode",
        lambda codes, labels, noise: batches.append(labels.shape[0]) or decode(codes, labels, noise),
    )
    assert len(transformer.transform(portrait, steps=1, paste=False, size=64).frames) == 10
    assert len(encoded) == 1
    assert batches == [4, 4, 4]


def test_few_frames_exist_at_once_and_leaving_early_ends_all_threads(transformer, portrait, monkeypatch):
    threads = threading.active_count()
    stream = transformer.stream(portrait, steps=10, paste=False, size=64)
    composed = []
    make = stream._frame
    monkeypatch.setattr(stream, "_frame", lambda changes: composed.append(1) or make(changes))
    frames = iter(stream)
    for _ in range(3):
        next(frames)
    assert len(composed) <= 3 + 4
    frames.close()
    assert threading.active_count() == threads


def test_framed_crops_of_any_size_are_rendered_as_they_are(transformer):
    crop = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    frames = list(transformer.render(crop, TEN.sequence(1)))
    assert len(frames) == 10
    assert {frame.shape for frame in frames} == {(100, 100, 3)}


def test_a_large_face_is_cut_out_at_its_own_size(transformer, portrait):
    import cv2

    big = cv2.resize(portrait, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    result = transformer.transform(big, ages=[5])
    scale = np.sqrt(np.linalg.det(result.transform[:, :2]))
    assert scale == pytest.approx(1, abs=0.01)


def test_batch_size_must_be_positive(tiny_generator):
    with pytest.raises(ValueError, match="batch_size=0"):
        AgeTransformer(tiny_generator, TEN, batch_size=0)


def test_framing_can_be_chosen(tiny_snapshots, portrait):
    """The authors' way to cut out and to round, whatever the snapshot is used to."""
    transformer = AgeTransformer.from_snapshot(tiny_snapshots / "agetrans_4group", framing="agetransgan")
    result = transformer.transform(portrait, ages=[30], paste=False, size=64)
    matrix = framing_matrix(find_faces(portrait)[0].points, "agetransgan", 64)
    np.testing.assert_array_equal(result.transform, matrix)
    np.testing.assert_array_equal(result.crop, warp(portrait, matrix, 64, "agetransgan"))
    grey = np.zeros((64, 64, 3), np.float32)  # between 127 and 128, where the two roundings differ
    assert (compose(result.crop, grey) == 128).all()
    assert (transformer.compose(result.crop, grey) == 127).all()
    pasted = transformer.transform(portrait, ages=[30], size=64).frames[0]
    assert (pasted == portrait).any()
