"""Reading and writing picture files: whatever people have in, 8-bit RGB between, an honest file out."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, PngImagePlugin, UnidentifiedImageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif")
"""Endings, in lower case, that a folder is searched for."""
LARGEST = 120_000_000
"""Pixels of the largest picture that is read: 100 megapixels and a little, 360 MB as 8-bit RGB."""
SMALLEST_SIDE = 32
"""Side in pixels below which a picture is refused: no face fits in."""
NOTE = "Synthetic: ages were changed by AgeTrans"
_HEIF = (".heic", ".heif")
_JPEG_QUALITY, _WEBP_QUALITY, _PNG_COMPRESSION = 95, 90, 1


class PictureError(ValueError):
    """A picture file cannot be used; the message is one sentence for the person who named it."""


def read_picture(path: str | os.PathLike[str]) -> np.ndarray:
    """Reads a picture file, turned as the camera says.

    Grey, palette, CMYK and 16-bit pictures become 8-bit RGB; transparent ones are laid on white; of an animation the
    first picture is read.

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
        _enable_heif(path)
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures by its own measure; ours is LARGEST.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                _check_size(image, path)
                image.load()
                return _to_rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise PictureError(
            f"{path} is not a picture that can be read: use JPEG, PNG, WebP or TIFF."
        ) from None
    except Image.DecompressionBombError:
        raise PictureError(_too_large(path)) from None
    except PermissionError:
        raise PictureError(f"{path} may not be read: check its permissions.") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError(f"{path} is damaged or cut off, so it cannot be read whole.") from None


def write_picture(path: str | os.PathLike[str], picture: np.ndarray) -> None:
    """Writes a picture, whole or not at all, with a note that it is synthetic.

    Args:
        path: Where to; the ending chooses the format: PNG, JPEG or WebP.
        picture: `(H, W, 3)` uint8 RGB.

    Raises:
        PictureError: The ending is of no format that is written.
    """
    path = Path(path)
    image = Image.fromarray(picture)
    suffix = path.suffix.lower()
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        if suffix == ".png":
            # Level 1: a third of the default's time for a tenth more bytes.
            image.save(unfinished, "PNG", compress_level=_PNG_COMPRESSION, pnginfo=_png_note())
        elif suffix in (".jpg", ".jpeg"):
            image.save(unfinished, "JPEG", quality=_JPEG_QUALITY, subsampling=0, exif=_exif_note())
        elif suffix == ".webp":
            image.save(unfinished, "WEBP", quality=_WEBP_QUALITY, exif=_exif_note())
        else:
            raise PictureError(f"Pictures are written as .png, .jpg or .webp, not as {suffix or path.name}.")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _check_size(image: Image.Image, path: Path) -> None:
    width, height = image.size
    if width * height > LARGEST:
        raise PictureError(_too_large(path))
    if min(width, height) < SMALLEST_SIDE:
        raise PictureError(
            f"{path} has only {width} x {height} pixels: at least {SMALLEST_SIDE} on each side are needed."
        )


def _too_large(path: Path) -> str:
    return f"{path} has more than {LARGEST // 1_000_000} megapixels: make it smaller first."


def _enable_heif(path: Path) -> None:
    try:
        import pillow_heif
    except ImportError:
        raise PictureError(
            f"{path} is a HEIC picture, which needs one more package: `pip install pillow-heif`, or convert it to JPEG."
        ) from None
    pillow_heif.register_heif_opener()


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I") or image.mode == "F":
        return np.repeat(_to_8_bits(np.asarray(image))[..., None], 3, axis=-1)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB")).copy()


def _to_8_bits(values: np.ndarray) -> np.ndarray:
    """Grey values of 16 bits (or floats up to 1 or 255) scaled to 0 to 255."""
    values = values.astype(np.float64)
    largest = values.max(initial=0.0)
    top = 1.0 if largest <= 1 else 255.0 if largest <= 255 else 65535.0
    return np.clip(np.rint(values * (255.0 / top)), 0, 255).astype(np.uint8)


def _png_note() -> PngImagePlugin.PngInfo:
    note = PngImagePlugin.PngInfo()
    note.add_text("Software", "AgeTrans")
    note.add_text("Comment", NOTE)
    return note


def _exif_note() -> Image.Exif:
    note = Image.Exif()
    note[ExifTags.Base.Software] = "AgeTrans"
    note[ExifTags.Base.ImageDescription] = NOTE
    return note
