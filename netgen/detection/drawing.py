"""Boxes drawn onto pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netgen.errors import NetgenError, UsageError, needed
from netgen.files import read_text, writing

if TYPE_CHECKING:
    from netgen.detection.images import Pixels
    from netgen.mirror.detecting import Detections

_GOLDEN = 0.618034
"""Steps of this part of the colour circle give each class a hue far from those before it."""


def draw(pixels: Pixels, found: Detections, names: Sequence[str] = ()) -> Any:
    """The picture as a PIL image, with a frame for each box and its classes and scores above; the best box on top.

    ``pixels`` are H x W x 3 bytes, red first. A frame lies within its box and within the picture, 0.6% of the height
    wide, 1 pixel at least, as Darknet's; its colour is that of the best class. Raises UsageError without Pillow.
    """
    needed("PIL", "images", "drawing boxes", "pillow")
    from PIL import Image, ImageDraw

    picture = Image.fromarray(pixels)
    pen = ImageDraw.Draw(picture)
    width = max(1, round(picture.height * 0.006))
    for row in reversed(range(len(found))):
        left, top, right, bottom = corners(found.boxes[row], picture.width, picture.height)
        colour = colour_of(int(found.labels[row]))
        pen.rectangle((left, top, right, bottom), outline=colour, width=width)
        text = described(found, row, names)
        _, _, _, high = pen.textbbox((0, 0), text)
        above = max(0, top - high - 2)
        pen.rectangle(pen.textbbox((left, above), text), fill=colour)
        pen.text((left, above), text, fill="black")
    return picture


def corners(box: Any, width: int, height: int) -> tuple[int, int, int, int]:
    """The first and the last column and row, left, top, right and bottom, of a box that is cut off at the edges.

    >>> corners((0.5, 0.5, 0.5, 1.5), 100, 50)
    (25, 0, 74, 49)
    """
    x, y, w, h = (float(value) for value in box)
    edges = []
    for middle, side, pixels in ((x, w, width), (y, h, height)):
        # Cut off before it is rounded: a side may be infinite, and the larger of 0 and no number is 0.
        low, high = (min(max(0.0, (middle + half) * pixels), pixels) for half in (-side / 2, side / 2))
        first = min(round(low), pixels - 1)
        edges.append((first, max(round(high) - 1, first)))
    return edges[0][0], edges[1][0], edges[0][1], edges[1][1]


def colour_of(label: int) -> tuple[int, int, int]:
    """The colour of a class, red, green and blue."""
    import colorsys

    red, green, blue = colorsys.hsv_to_rgb(label * _GOLDEN % 1, 0.8, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def described(found: Detections, row: int, names: Sequence[str] = ()) -> str:
    """The classes of a box with their scores, the best first: ``"dog 0.92, cat 0.55"``."""
    scores = found.scores[row]
    order = [int(label) for label in (-scores).argsort(kind="stable") if scores[label] > 0]
    return ", ".join(f"{names[label] if names else f'class {label}'} {scores[label]:.2f}" for label in order)


def save_picture(picture: Any, path: str) -> None:
    """Write a PIL image whole or not at all, in the format that the ending says (``check_ending``)."""
    with writing(path) as file:
        picture.save(file, format=check_ending(path))


def check_ending(path: str) -> str:
    """Pillow's name of the format of a file to write; raises UsageError for an ending that it does not know."""
    needed("PIL", "images", "drawing boxes", "pillow")
    from PIL import Image

    kind = Image.registered_extensions().get(path[path.rfind(".") :].lower() if "." in path else "")
    if kind is None or kind not in Image.SAVE:
        raise UsageError(f"{path}: the ending must be that of a picture, such as .png or .jpg")
    return kind


def read_names(path: str, classes: int, background: bool) -> list[str]:
    """The class names in a file, one in each line; where the background's is left out, it is put before them.

    Raises NetgenError where they are not as many as the classes.
    """
    names = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    if background and len(names) == classes - 1:
        names.insert(0, "background")
    if len(names) != classes:
        wanted = f"{classes} (or {classes - 1}, without the background)" if background else str(classes)
        raise NetgenError(f"{path}: must have a name for each class, {wanted} lines, got {len(names)}")
    return names
