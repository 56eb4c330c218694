"""Reading and writing picture files: whatever people have in, 8-bit RGB between, an honest file out."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, PngImagePlugin, UnidentifiedImageError

from agetrans.files import whole_file

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif")
"""Endings, in lower case, that a folder is searched for."""
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF", "HEIF")
"""Pillow's names of what is read. Others are refused before a pixel is: EPS, for one, would start another program."""
LARGEST = 120_000_000
"""Pixels of the largest picture that is read: 100 megapixels and a little, 360 MB as 8-bit RGB."""
SMALLEST_SIDE = 32
"""Side in pixels below which a picture is refused: no face fits in."""
NOTE = "Synthetic: ages were changed by AgeTrans"
_HEIF = (".heic", ".heif")
_HEIF_BRANDS = tuple(b"ftyp" + brand for brand in (b"heic", b"heix", b"heif", b"mif1", b"msf1", b"hevc"))
_COLOURS = 17 * np.moveaxis(np.indices((16, 16, 16), np.uint8), 0, -1).reshape(64, 64, 3)
_SAME_COLOUR = 2
"""Steps of 255 by which a profile of sRGB may change a colour: what is written with it is as inexact."""
_JPEG_QUALITY, _WEBP_QUALITY, _PNG_COMPRESSION = 95, 90, 1


class PictureError(ValueError):
    """A picture file cannot be used; the message is one sentence for the person who named it."""


class PictureNotNow(PictureError):
    """As things are the file cannot be read, and nothing says that the picture in it is bad."""


def pictures_in(folder: Path) -> list[Path]:
    """The picture files of a folder, sorted by name."""
    return sorted(entry for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES and entry.is_file())


def read_picture(path: str | os.PathLike[str]) -> np.ndarray:
    """Reads a picture file, turned as the camera says.

    Grey, palette, CMYK and 16-bit pictures become 8-bit RGB; transparent ones are laid on white; of an animation the
    first picture is read. Colours of another space, which the file's ICC profile describes, become those of sRGB; a
    broken profile is passed over.

    Args:
        path: The file.

    Returns:
        `(H, W, 3)` uint8 RGB.

    Raises:
        PictureError: There is no such file, it is no picture, it is cut off, or too large or too small to use.
    """
    path = Path(path)
    if not path.exists():
        raise PictureError(f"There is no file {path}.")
    if path.is_dir():
        raise PictureError(f"{path} is a folder, not a picture.")
    if path.stat().st_size == 0:
        raise PictureError(f"{path} is empty.")
    if path.suffix.lower() in _HEIF:
        _enable_heif(str(path))
    return _read(path, str(path), LARGEST)


def decode_picture(data: bytes, name: str, largest: int = LARGEST) -> np.ndarray:
    """Reads the bytes of a picture file, as `read_picture` reads a file.

    Args:
        data: The file's content.
        name: What to call it in messages.
        largest: Pixels of the largest picture that is read.

    Returns:
        `(H, W, 3)` uint8 RGB.

    Raises:
        PictureError: It is no picture, it is cut off, or too large or too small to use.
    """
    if not data:
        raise PictureError(f"{name} is empty.")
    if data[4:12] in _HEIF_BRANDS:
        _enable_heif(name)
    return _read(io.BytesIO(data), name, largest)


def _read(source: Path | BinaryIO, name: str, largest: int) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures by its own measure; ours is the caller's.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(source) as image:
                if image.format not in FORMATS:
                    raise UnidentifiedImageError
                _check_size(image, name, largest)
                image.load()
                return _to_rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise PictureError(
            f"{name} is not a picture that can be read: use JPEG, PNG, WebP or TIFF."
        ) from None
    except Image.DecompressionBombError:
        raise PictureError(_too_large(name, largest)) from None
    except PermissionError:
        raise PictureNotNow(f"{name} may not be read: check its permissions.") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError(f"{name} is damaged or cut off, so it cannot be read whole.") from None


def write_picture(path: str | os.PathLike[str], picture: np.ndarray, synthetic: bool = True) -> None:
    """Writes a picture, whole or not at all, with a note that it is synthetic.

    Args:
        path: Where to; the ending chooses the format: PNG, JPEG or WebP.
        picture: `(H, W, 3)` uint8 RGB.
        synthetic: Whether it is; without the note are photographs, and what is cut out of them.

    Raises:
        PictureError: The ending is of no format that is written.
    """
    path = Path(path)
    with whole_file(path) as unfinished:
        _save(unfinished, picture, path.suffix.lower() or path.name, _JPEG_QUALITY, synthetic)


def encode_picture(
    picture: np.ndarray, suffix: str, quality: int = _JPEG_QUALITY, synthetic: bool = True
) -> bytes:
    """A picture as the bytes of a file, with a note that it is synthetic.

    Args:
        picture: `(H, W, 3)` uint8 RGB.
        suffix: The format, see `write_picture`.
        quality: Of a JPEG, 1 to 95; below 90 colours are stored at half the resolution.
        synthetic: See `write_picture`.
    """
    target = io.BytesIO()
    _save(target, picture, suffix, quality, synthetic)
    return target.getvalue()


def _save(target: Path | BinaryIO, picture: np.ndarray, suffix: str, quality: int, synthetic: bool) -> None:
    image = Image.fromarray(picture)
    if suffix == ".png":
        # Level 1: a third of the default's time for a tenth more bytes.
        image.save(target, "PNG", compress_level=_PNG_COMPRESSION, pnginfo=_png_note(synthetic))
    elif suffix in (".jpg", ".jpeg"):
        halved = 2 if quality < 90 else 0
        image.save(target, "JPEG", quality=quality, subsampling=halved, exif=_exif_note(synthetic))
    elif suffix == ".webp":
        image.save(target, "WEBP", quality=_WEBP_QUALITY, exif=_exif_note(synthetic))
    else:
        raise PictureError(f"Pictures are written as .png, .jpg or .webp, not as {suffix}.")


def _check_size(image: Image.Image, name: str, largest: int) -> None:
    width, height = image.size
    if width * height > largest:
        raise PictureError(_too_large(name, largest))
    if min(width, height) < SMALLEST_SIDE:
        raise PictureError(
            f"{name} has only {width} x {height} pixels: at least {SMALLEST_SIDE} on each side are needed."
        )


def _too_large(name: str, largest: int) -> str:
    return f"{name} has more than {largest // 1_000_000} megapixels: make it smaller first."


def _enable_heif(name: str) -> None:
    try:
        import pillow_heif
    except ImportError:
        raise PictureNotNow(
            f"{name} is a HEIC picture, which needs one more package: `pip install pillow-heif`, or convert it to JPEG."
        ) from None
    pillow_heif.register_heif_opener()


def _to_rgb(image: Image.Image) -> np.ndarray:
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_to_8_bits(np.asarray(image)))
    alpha = None
    if "A" in image.getbands() or "transparency" in image.info:
        grey = image.mode in ("L", "LA", "La")
        *colours, alpha = image.convert("LA" if grey else "RGBA").split()
        image = Image.merge("L" if grey else "RGB", colours)
    elif image.mode not in ("L", "CMYK"):
        image = image.convert("RGB")
    if profile:
        image = _to_srgb(image, profile)
    image = image.convert("RGB")
    if alpha is not None:
        image = Image.composite(image, Image.new("RGB", image.size, "white"), alpha)
    return np.asarray(image).copy()


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Colours of an ICC profile as those of sRGB; the picture as it is where the profile is sRGB's or useless."""
    try:
        described = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        to_srgb = ImageCms.buildTransform(described, ImageCms.createProfile("sRGB"), image.mode, "RGB")
        if image.mode == "RGB":
            # Profiles of sRGB have many names and sizes: what they do to colours tells them.
            samples = Image.fromarray(_COLOURS)
            changed = np.asarray(to_srgb.apply(samples)).astype(int) - _COLOURS
            if np.abs(changed).max() <= _SAME_COLOUR:
                return image
        return to_srgb.apply(image)
    except (ImageCms.PyCMSError, OSError):
        return image


def _to_8_bits(values: np.ndarray) -> np.ndarray:
    """Grey values of 16 bits (or floats up to 1 or 255) scaled to 0 to 255."""
    values = values.astype(np.float64)
    largest = values.max(initial=0.0)
    top = 1.0 if largest <= 1 else 255.0 if largest <= 255 else 65535.0
    return np.clip(np.rint(values * (255.0 / top)), 0, 255).astype(np.uint8)


def _png_note(synthetic: bool) -> PngImagePlugin.PngInfo:
    note = PngImagePlugin.PngInfo()
    note.add_text("Software", "AgeTrans")
    if synthetic:
        note.add_text("Comment", NOTE)
    return note


def _exif_note(synthetic: bool) -> Image.Exif:
    note = Image.Exif()
    note[ExifTags.Base.Software] = "AgeTrans"
    if synthetic:
        note[ExifTags.Base.ImageDescription] = NOTE
    return note
