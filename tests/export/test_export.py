"""Exported models do what the Keras model does, in the programs that they are for."""

from __future__ import annotations

import json

import numpy as np
import pytest

from agetrans.export import formats
from agetrans.export.module import ExportError, make_exportable
from agetrans.snapshot import load_snapshot
from tests.conftest import smooth_picture


@pytest.fixture(scope="module")
def snapshot(tiny_snapshots):
    return load_snapshot(tiny_snapshots / "agetrans_10group")


@pytest.fixture(scope="module")
def asked(snapshot):
    """A picture, an age between two groups, and what the model makes of them."""
    image = smooth_picture(5)
    label = snapshot.age_groups.soft_label([37.0])
    return image, label, np.asarray(snapshot.generator(image, label))


def test_savedmodel_serves_any_number_of_pictures(snapshot, asked, tmp_path):
    import tensorflow as tf

    place = tmp_path / "agetrans" / "1"
    assert formats.export_savedmodel(snapshot, place) < 1e-4
    served = tf.saved_model.load(str(place)).signatures["serving_default"]
    image, label, expected = asked
    three = served(image=tf.constant(np.repeat(image, 3, 0)), label=tf.constant(np.repeat(label, 3, 0)))
    np.testing.assert_allclose(three["aged"].numpy(), np.repeat(expected, 3, 0), atol=1e-4)
    facts = json.loads((place / formats.FACTS).read_text())
    assert (facts["framing"], facts["age_groups"][0], facts["centres"][-1]) == ("ffhq", "0-2", 77.0)
    assert formats.export_savedmodel(snapshot, place) < 1e-4
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine")
    with pytest.raises(ExportError, match="no SavedModel"):
        formats.export_savedmodel(snapshot, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "agetrans").iterdir()] == ["1"]


def test_onnx_runs_in_onnxruntime(snapshot, asked, tmp_path):
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed: no ONNX file is written")
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    assert formats.export_onnx(snapshot, tmp_path / "m.onnx") < 1e-4
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    image, label, expected = asked
    np.testing.assert_allclose(
        session.run(["aged"], {"image": image, "label": label})[0], expected, atol=1e-4
    )
    facts = session.get_modelmeta().custom_metadata_map
    assert (facts["framing"], json.loads(facts["centres"])[0]) == ("ffhq", 1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_litert_runs_in_its_interpreter(snapshot, asked, tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT is not installed")
    assert formats.export_litert(snapshot, tmp_path / "m.tflite") < 1e-3
    run = interpreter.Interpreter(str(tmp_path / "m.tflite")).get_signature_runner("serving_default")
    image, label, expected = asked
    np.testing.assert_allclose(run(image=image, label=label)["aged"], expected, atol=1e-3)
    assert [path.name for path in tmp_path.iterdir()] == ["m.tflite"]


@pytest.mark.parametrize("fault", [0.01, np.nan])
def test_an_export_that_differs_does_not_stay(snapshot, tmp_path, fault):
    exportable = make_exportable(snapshot, batch=1)

    def wrong(place, image, label):
        return np.asarray(snapshot.generator(image, label)) + np.float32(fault)

    def write(place):
        place.write_text("a model")

    with pytest.raises(ExportError, match="differs from the model"):
        formats._write_checked(tmp_path / "m.onnx", exportable, write, wrong)
    assert not list(tmp_path.iterdir())
