"""Picture files: what is read comes out as it looks, what cannot be read is refused in a sentence."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agetrans import pictures
from agetrans.pictures import PictureError, read_picture, write_picture


@pytest.fixture
def scene() -> np.ndarray:
    """A smooth picture, brighter to the right, redder to the bottom: `(40, 60, 3)` uint8."""
    y, x = np.mgrid[:40, :60]
    return np.stack([y * 6, x * 4, 255 - x * 4], axis=-1).astype(np.uint8)


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_formats_that_start_other_programs_are_refused(tmp_path: Path, scene: np.ndarray) -> None:
    disguised = saved(tmp_path / "a.eps", Image.fromarray(scene)).rename(tmp_path / "a.png")
    with pytest.raises(PictureError, match="is not a picture that can be read"):
        read_picture(disguised)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_lossless_formats_are_read_exactly(tmp_path: Path, scene: np.ndarray, suffix: str) -> None:
    np.testing.assert_array_equal(read_picture(saved(tmp_path / f"a{suffix}", Image.fromarray(scene))), scene)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_formats_are_read_closely(tmp_path: Path, scene: np.ndarray, suffix: str) -> None:
    read = read_picture(saved(tmp_path / f"a{suffix}", Image.fromarray(scene), quality=95))
    assert np.abs(read.astype(int) - scene).mean() < 4


@pytest.mark.parametrize(
    ("orientation", "turns", "mirrored"),
    [(1, 0, False), (3, 2, False), (6, 3, False), (8, 1, False), (2, 0, True)],
)
def test_exif_orientation_is_applied(
    tmp_path: Path, scene: np.ndarray, orientation: int, turns: int, mirrored: bool
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = np.rot90(scene, turns)
    upright = upright[:, ::-1] if mirrored else upright
    np.testing.assert_array_equal(
        read_picture(saved(tmp_path / "a.png", Image.fromarray(scene), exif=exif)), upright
    )


def test_grey_becomes_three_equal_channels(tmp_path: Path, scene: np.ndarray) -> None:
    grey = scene[..., 0]
    np.testing.assert_array_equal(
        read_picture(saved(tmp_path / "a.png", Image.fromarray(grey))), np.repeat(grey[..., None], 3, axis=-1)
    )


def test_sixteen_bits_are_scaled_not_cut(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 40 * 40).reshape(40, 40)
    read = read_picture(saved(tmp_path / "a.png", Image.fromarray(values.astype(np.uint16))))
    assert np.abs(read[..., 0] - values / 257).max() <= 0.51


def test_transparent_pixels_are_white(tmp_path: Path, scene: np.ndarray) -> None:
    alpha = np.where(np.arange(60) < 30, 0, 255).astype(np.uint8)
    rgba = np.dstack([scene, np.broadcast_to(alpha, scene.shape[:2])])
    read = read_picture(saved(tmp_path / "a.png", Image.fromarray(rgba)))
    assert (read[:, :30] == 255).all()
    np.testing.assert_array_equal(read[:, 30:], scene[:, 30:])


@pytest.mark.parametrize("mode", ["P", "CMYK", "1", "LA"])
def test_other_modes_are_read_as_rgb(tmp_path: Path, scene: np.ndarray, mode: str) -> None:
    suffix = ".jpg" if mode == "CMYK" else ".png"
    read = read_picture(saved(tmp_path / f"a{suffix}", Image.fromarray(scene).convert(mode)))
    assert read.shape == scene.shape
    assert read.dtype == np.uint8


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def test_what_cannot_be_read_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    empty = tmp_path / "empty.png"
    empty.touch()
    cases = {
        tmp_path / "missing.jpg": "no file",
        tmp_path: "folder",
        empty: "empty",
        text: "not a picture",
        cut(saved(tmp_path / "cut.jpg", noise)): "cut off",
        cut(saved(tmp_path / "cut.png", noise)): "cut off",
        saved(tmp_path / "tiny.png", noise.resize((31, 64))): "31 x 64",
    }
    for path, words in cases.items():
        with pytest.raises(PictureError, match=words) as caught:
            read_picture(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    monkeypatch.setattr(pictures, "LARGEST", 64 * 64 - 1)
    with pytest.raises(PictureError, match="megapixels"):
        read_picture(saved(tmp_path / "large.png", noise))


def test_thirty_two_pixels_are_enough(tmp_path: Path) -> None:
    assert read_picture(saved(tmp_path / "a.png", Image.new("RGB", (32, 32)))).shape == (32, 32, 3)


@pytest.mark.parametrize("synthetic", [True, False])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_written_pictures_say_whether_they_are_synthetic(
    tmp_path: Path, scene: np.ndarray, suffix: str, synthetic: bool
) -> None:
    path = tmp_path / f"a{suffix}"
    write_picture(path, scene, synthetic)
    with Image.open(path) as image:
        notes = " ".join(str(value) for value in [*image.info.values(), *image.getexif().values()])
    assert ("Synthetic" in notes) == synthetic
    if suffix == ".png":
        np.testing.assert_array_equal(read_picture(path), scene)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, scene: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    write_picture(path, scene)
    before = path.read_bytes()

    def fail(self: Image.Image, target: object, *_: object, **__: object) -> None:
        Path(str(target)).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        write_picture(path, scene[::-1])
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_unknown_endings_are_refused(tmp_path: Path, scene: np.ndarray) -> None:
    with pytest.raises(PictureError, match="gif"):
        write_picture(tmp_path / "a.gif", scene)


def test_a_stranger_stream_is_not_trusted_for_its_size(tmp_path: Path) -> None:
    """A PNG header that claims 50,000 x 50,000 pixels is refused before memory is taken."""
    buffer = io.BytesIO()
    Image.new("L", (64, 64)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = (50_000).to_bytes(4, "big") * 2
    path = tmp_path / "bomb.png"
    path.write_bytes(bytes(data))
    with pytest.raises(PictureError):
        read_picture(path)
