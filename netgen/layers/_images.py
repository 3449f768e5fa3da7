"""What the layers that read images have in common: how large what they give is, as far as their fields tell."""

from __future__ import annotations

from collections.abc import Sequence

from netgen.errors import NetgenError
from netgen.graph import EMPTY
from netgen.layers.base import LayerType, Shape


def fields_of(names: str) -> frozenset[str]:
    """The field names in a text."""
    return frozenset(names.split())


# Fields that do not change the size, or that `Images` follows.
_TRANSFORM = fields_of("""
    scale mirror crop_size mean_file mean_value force_color force_gray crop_h crop_w resize_param noise_param
    distort_param expand_param emit_constraint
""")


class Images(LayerType):
    """Base of the layers whose first top holds images and whose second holds their labels, one a picture."""

    bottoms = (0, 0)
    tops: tuple[int, int | None] = (1, 2)
    opaque = True

    size_lies_in = "the database"
    batch_message = ""
    """The message with batch_size, where it is not the main one."""
    harmless: frozenset[str] = frozenset()
    """The fields of the layer's own messages that do not change its size, or that it follows."""

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return self.source_shapes([None] * len(self.layer.tops))

    def source_shapes(self, given: Sequence[Shape | None]) -> list[Shape]:
        transform = self.layer.params.get("transform_param", EMPTY)
        if "mean_file" in transform and transform.get("mean_value"):
            raise NetgenError("give mean_file or mean_value, not both")
        images = given[0] if given[0] is not None else self.images()
        labels = (self.label(i, images[0] if images else 1) if each is None else each for i, each in _rest(given))
        return [images, *labels]

    def images(self) -> Shape:
        """The shape of the images, from the fields."""
        self._refuse_foreign()
        height, width = self._size()
        batch = self.batch()
        return batch, self._channels(f"{batch}, C, {height}, {width}"), height, width

    def batch(self) -> int:
        """The number of images at a time."""
        message = self.message(self.batch_message) if self.batch_message else self.fields
        batch: int = message.get("batch_size", 0)
        if batch < 1:
            raise NetgenError(f"batch_size must be 1 or more, got {message.get('batch_size', 'none')}")
        return batch

    def label(self, top: int, batch: int) -> Shape:
        """The shape of one of the tops after the images."""
        return (batch,)

    def file_channels(self) -> int | None:
        """The channels, where the fields say them otherwise than by mean_value."""
        return None

    def file_size(self) -> tuple[int, int] | None:
        """Height and width before any crop, where the fields say them."""
        return None

    def unknown(self, top: int, axes: str) -> NetgenError:
        """The error for a top whose shape the fields do not tell."""
        name = self.layer.tops[top]
        dims = axes.replace(" ", "")
        return NetgenError(
            f"its size lies in {self.size_lies_in}; give it: inputs={{{name!r}: ({axes})}} (--input {name}={dims})"
        )

    def _channels(self, known: str) -> int:
        channels = self.file_channels()
        if channels is not None:
            return channels
        means = self.message("transform_param")["mean_value"]
        # Caffe takes one mean for all channels, or one for each.
        if len(means) > 1:
            return len(means)
        raise self.unknown(0, known)

    def _size(self) -> tuple[int, int]:
        transform = self.message("transform_param")
        crop = transform["crop_size"]
        height, width = (crop, crop) if crop else (transform["crop_h"], transform["crop_w"])
        full = self.file_size() or self._resized()
        if full is not None and (full[0] < height or full[1] < width):
            raise NetgenError(f"the crop must fit the image, got a crop of {height}x{width} of {full[0]}x{full[1]}")
        if full is None and not (height and width):
            raise self.unknown(0, "N, C, H, W")
        return (height or (full or (0, 0))[0]), (width or (full or (0, 0))[1])

    def _resized(self) -> tuple[int, int] | None:
        """What the SSD fork's resize_param makes of all images; one of several is drawn at random."""
        resizes = self.message("transform_param")["resize_param"]
        if len(resizes) != 1 or resizes[0].get("resize_mode", "WARP") == "FIT_SMALL_SIZE":
            return None
        height, width = resizes[0].get("height", 0), resizes[0].get("width", 0)
        return (height, width) if height and width else None

    def _refuse_foreign(self) -> None:
        """Refuse the fields of other Caffes that may change the size: clips of videos, other crops."""
        for message in self.messages:
            known = _TRANSFORM if message == "transform_param" else self.harmless
            for field in self.layer.params.get(message, EMPTY):
                if field not in known:
                    error = self.unknown(0, "N, C, H, W")
                    raise NetgenError(f"the field {field!r} of other Caffes may change the size; {error}")


def _rest(given: Sequence[Shape | None]) -> list[tuple[int, Shape | None]]:
    return list(enumerate(given))[1:]
