"""Our TFRecord reader and writer against TensorFlow's."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import tensorflow as tf

from agetrans.data.tfrecord import (
    RecordError,
    decode_example,
    encode_example,
    read_record,
    record_places,
    write_record,
)

FEATURES = {
    "image": bytes(range(256)) * 3,
    "years": 31.5,
    "male": -1,
    "count": 1 << 40,
    "identity": b"",
    "ä": b"x",
}


def test_tensorflow_reads_what_we_write(tmp_path: Path) -> None:
    with open(tmp_path / "a", "wb") as file:
        write_record(file, encode_example(FEATURES))
        write_record(file, b"")
    first, second = (record.numpy() for record in tf.data.TFRecordDataset(str(tmp_path / "a")))
    assert second == b""
    features = tf.train.Example.FromString(first).features.feature
    assert features["image"].bytes_list.value[0] == FEATURES["image"]
    assert list(features["years"].float_list.value) == [31.5]
    assert (features["male"].int64_list.value[0], features["count"].int64_list.value[0]) == (-1, 1 << 40)
    assert features["identity"].bytes_list.value[0] == b""


def test_we_read_what_tensorflow_writes(tmp_path: Path) -> None:
    kinds = {bytes: ("bytes_list", tf.train.BytesList), float: ("float_list", tf.train.FloatList)}
    kinds[int] = ("int64_list", tf.train.Int64List)
    feature = {}
    for name, value in FEATURES.items():
        field, message = kinds[type(value)]
        feature[name] = tf.train.Feature(**{field: message(value=[value, value])})
    feature["empty"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[]))
    example = tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
    with tf.io.TFRecordWriter(str(tmp_path / "a")) as writer:
        for _ in range(2):
            writer.write(example)
    data = (tmp_path / "a").read_bytes()
    places = list(record_places(data))
    assert len(places) == 2
    for place in places:
        assert decode_example(read_record(data, *place)) == FEATURES


def test_damage_is_noticed() -> None:
    file = io.BytesIO()
    write_record(file, b"0123456789")
    whole = file.getvalue()
    ((offset, length),) = record_places(whole)
    assert read_record(whole, offset, length) == b"0123456789"
    changed = whole.replace(b"5", b"6")
    with pytest.raises(RecordError, match=r"damaged"):
        read_record(changed, offset, length)
    with pytest.raises(RecordError, match=r"cut off"):
        list(record_places(whole[:-1]))
    with pytest.raises(RecordError, match=r"does not start"):
        list(record_places(b"\x01" + whole[1:]))
    with pytest.raises(RecordError, match=r"no tf.train.Example"):
        decode_example(b"\x0a\xff\xff")
