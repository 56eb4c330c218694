"""Picture files: what is read comes out as it looks, what cannot be read is refused in a sentence."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

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


P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
"""Display P3's colorants as its ICC profile has them: linear RGB to XYZ under D50."""
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
"""The same of sRGB, from the specification."""


def icc_profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile, version 2, of its class, its colour space, the space it connects to, and its tags."""
    table, body = b"", b""
    begin = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, begin + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    white = struct.pack(">3i", *(round(value * 65536) for value in (0.9642, 1.0, 0.8249)))
    header = struct.pack(
        ">I4xI4s4s4s12x4s28x", begin + len(body), 0x02100000, kind, space, connection, b"acsp"
    )
    return (
        header + white + bytes(128 - len(header) - len(white)) + struct.pack(">I", len(tags)) + table + body
    )


def xyz_tag(values: np.ndarray) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def gamma_tag(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def matrix_profile(colorants: np.ndarray, gamma: float) -> bytes:
    """The profile of a screen: a curve, then a matrix."""
    tags = {b"wtpt": xyz_tag(np.array([0.9642, 1.0, 0.8249]))}
    for name, colorant in zip((b"r", b"g", b"b"), colorants.T, strict=True):
        tags[name + b"XYZ"], tags[name + b"TRC"] = xyz_tag(colorant), gamma_tag(gamma)
    return icc_profile(b"mntr", b"RGB ", b"XYZ ", tags)


def srgb_curve(linear: np.ndarray) -> np.ndarray:
    """The transfer of sRGB, IEC 61966-2-1: light in [0, 1] to 0 to 255."""
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def expected_in_srgb(picture: np.ndarray, colorants: np.ndarray, gamma: float) -> np.ndarray:
    return srgb_curve((picture / 255) ** gamma @ (np.linalg.inv(SRGB) @ colorants).T)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_colours_of_another_space_become_those_of_srgb(
    tmp_path: Path, scene: np.ndarray, suffix: str
) -> None:
    muted = (96 + scene // 4).astype(np.uint8)  # inside sRGB, where nothing is cut off
    options = {"lossless": True} if suffix == ".webp" else {}
    path = tmp_path / f"a{suffix}"
    saved(path, Image.fromarray(muted), icc_profile=matrix_profile(P3, 2.2), **options)
    expected = expected_in_srgb(muted, P3, 563 / 256)
    assert np.abs(expected - muted).max() > 8
    assert np.abs(read_picture(path) - expected).max() < 1.6
    data = path.read_bytes()
    np.testing.assert_array_equal(pictures.decode_picture(data, "a"), read_picture(path))


def test_what_is_more_colourful_than_srgb_is_cut_to_it(tmp_path: Path) -> None:
    red = Image.new("RGB", (40, 40), (255, 0, 0))
    read = read_picture(saved(tmp_path / "a.png", red, icc_profile=matrix_profile(P3, 2.2)))
    assert np.abs(read - np.array([255, 0, 0])).max() <= 1


def test_transparent_and_palette_pictures_of_another_space_are_converted_too(
    tmp_path: Path, scene: np.ndarray
) -> None:
    profile = matrix_profile(P3, 2.2)
    muted = (96 + scene // 4).astype(np.uint8)
    opaque = read_picture(saved(tmp_path / "a.png", Image.fromarray(muted), icc_profile=profile))
    alpha = np.where(np.arange(60) < 30, 0, 255).astype(np.uint8)
    rgba = Image.fromarray(np.dstack([muted, np.broadcast_to(alpha, muted.shape[:2])]))
    read = read_picture(saved(tmp_path / "b.png", rgba, icc_profile=profile))
    assert (read[:, :30] == 255).all()
    np.testing.assert_array_equal(read[:, 30:], opaque[:, 30:])
    palette = Image.new("RGB", (40, 40), (150, 120, 100)).quantize(2)
    read = read_picture(saved(tmp_path / "c.png", palette, icc_profile=profile))
    expected = expected_in_srgb(np.array([150.0, 120, 100]), P3, 563 / 256)
    assert np.abs(read - expected).max() < 1.6


def test_greys_of_another_curve_become_those_of_srgb(tmp_path: Path, scene: np.ndarray) -> None:
    tags = {b"wtpt": xyz_tag(np.array([0.9642, 1.0, 0.8249])), b"kTRC": gamma_tag(1.5)}
    profile = icc_profile(b"mntr", b"GRAY", b"XYZ ", tags)
    grey = scene[..., 0]
    expected = srgb_curve((grey / 255) ** 1.5)[..., None]
    assert np.abs(expected[..., 0] - grey).max() > 20
    read = read_picture(saved(tmp_path / "a.png", Image.fromarray(grey), icc_profile=profile))
    assert np.abs(read - expected).max() < 1.6
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    read = read_picture(saved(tmp_path / "b.png", deep, icc_profile=profile))
    assert np.abs(read - expected).max() < 1.6


def test_inks_have_the_colours_that_their_profile_gives_them(tmp_path: Path) -> None:
    """A press that prints grey with every ink, each taking 25 of the paper's 100 steps of lightness."""
    curve = bytes(range(256))
    corners = [
        (round((100 - 25 * bin(inks).count("1")) * 255 / 100), 128, 128)
        for inks in range(16)  # the last ink changes first
    ]
    table = struct.pack(">4s4x4B9i", b"mft1", 4, 3, 2, 0, *np.eye(3, dtype=int).ravel() * 65536)
    table += curve * 4 + bytes(np.ravel(corners).tolist()) + curve * 3
    tags = {b"wtpt": xyz_tag(np.array([0.9642, 1.0, 0.8249])), b"A2B0": table}
    profile = icc_profile(b"prtr", b"CMYK", b"Lab ", tags)
    lightness = np.array([100, 75, 50])
    expected = srgb_curve(((lightness + 16) / 116) ** 3)
    for inks, level in zip([(0, 0, 0, 0), (255, 0, 0, 0), (0, 255, 255, 0)], expected, strict=True):
        page = Image.new("CMYK", (40, 40), inks)
        read = read_picture(saved(tmp_path / "a.tif", page, icc_profile=profile))
        assert np.abs(read - level).max() < 2.5, inks


def test_pictures_that_are_srgb_already_stay_as_they_are(tmp_path: Path, scene: np.ndarray) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = saved(tmp_path / "a.png", Image.fromarray(scene), icc_profile=profile)
    np.testing.assert_array_equal(read_picture(path), scene)


@pytest.mark.parametrize("profile", ["noise", "cut", "of inks"])
def test_a_broken_profile_is_passed_over(tmp_path: Path, scene: np.ndarray, profile: str) -> None:
    whole = matrix_profile(P3, 2.2)
    broken = {"noise": b"no profile", "cut": whole[:200], "of inks": whole.replace(b"RGB ", b"CMYK")}[profile]
    path = saved(tmp_path / "a.png", Image.fromarray(scene), icc_profile=broken)
    np.testing.assert_array_equal(read_picture(path), scene)


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
