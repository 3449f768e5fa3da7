"""Layers that bring blobs into a net or take them out of it, and those written in Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netgen.errors import NetgenError
from netgen.layers._images import Images, fields_of
from netgen.layers.base import LayerType, Shape
from netgen.layers.fillers import check_filler

if TYPE_CHECKING:
    from torch.nn import Module

_STOCK = fields_of("source scale mean_file batch_size crop_size mirror rand_skip")
_DATABASE = _STOCK | fields_of("backend force_encoded_color prefetch shuffle disk_reader_threads block_size verbose")


class Input(LayerType):
    """Blobs that the caller fills, of the shapes given.

    ``shape`` is given once for all tops, or once for each; without one (Caffe then waits for the caller's), inputs must
    give the shapes. No cost.

    Source: Caffe, src/caffe/layers/input_layer.cpp.
    """

    messages = ("input_param",)
    bottoms = (0, 0)
    tops = (1, None)
    opaque = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shapes = [tuple(shape.get("dim", ())) for shape in self.fields["shape"]]
        tops = self.layer.tops
        if not shapes:
            name = tops[0]
            raise NetgenError(
                f"no shape is given; add input_param.shape, or inputs={{{name!r}: (N, C, H, W)}} "
                f"(--input {name}=N,C,H,W)"
            )
        return _for_each("shape", shapes, len(tops))


class Data(Images):
    """Images and labels from an LMDB or LevelDB.

    Images are batch_size x C x H x W, labels batch_size. The database knows C, H and W; fields that tell are
    ``crop_size`` or the SSD fork's ``resize_param``, and two or more ``mean_value`` for C. Else inputs must give the
    shape. No cost.

    Source: Caffe, src/caffe/layers/data_layer.cpp and data_transformer.cpp (InferBlobShape).
    """

    messages = ("data_param", "transform_param")
    harmless = _DATABASE


class ImageData(Images):
    """Images and labels from a list of files.

    Images are batch_size x 3 (1 unless ``is_color``) x H x W, with H and W from ``crop_size``, else ``new_height`` and
    ``new_width``, else only the files know; labels batch_size. No cost.

    Source: Caffe, src/caffe/layers/image_data_layer.cpp.
    """

    messages = ("image_data_param", "transform_param")
    tops = (2, 2)
    size_lies_in = "the image files"
    harmless = _STOCK | fields_of("shuffle new_height new_width is_color root_folder")

    def file_channels(self) -> int:
        return 3 if self.fields["is_color"] else 1

    def file_size(self) -> tuple[int, int] | None:
        height, width = self.fields["new_height"], self.fields["new_width"]
        if (height == 0) != (width == 0):
            raise NetgenError(f"new_height and new_width must be given together, got {height} and {width}")
        return (height, width) if height else None


class WindowData(Images):
    """Windows cut from images of a list, and their labels.

    Images are batch_size x C x crop_size x crop_size, where ``crop_size`` is transform_param's, and C stands in the
    list (two or more ``mean_value`` tell it too); labels batch_size. No cost.

    Source: Caffe, src/caffe/layers/window_data_layer.cpp.
    """

    messages = ("window_data_param", "transform_param")
    tops = (2, 2)
    size_lies_in = "the list of windows"
    harmless = _STOCK | fields_of(
        "fg_threshold bg_threshold fg_fraction context_pad crop_mode cache_images root_folder"
    )

    def images(self) -> Shape:
        if not self.message("transform_param")["crop_size"]:
            raise NetgenError("transform_param.crop_size must be 1 or more, got none")
        return super().images()


class MemoryData(LayerType):
    """Images and labels that the program hands over.

    Images are batch_size x channels x height x width, labels batch_size; a crop does not show in the shape. No cost.

    Source: Caffe, src/caffe/layers/memory_data_layer.cpp.
    """

    messages = ("memory_data_param", "transform_param")
    bottoms = (0, 0)
    tops = (2, 2)
    required = ("batch_size", "channels", "height", "width")
    opaque = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.refuse("transpose")
        dims = tuple(self.fields.get(name, 0) for name in self.required)
        if min(dims) < 1:
            got = ", ".join(f"{name}={dim}" for name, dim in zip(self.required, dims, strict=True))
            raise NetgenError(f"batch_size, channels, height and width must be 1 or more, got {got}")
        return [dims, dims[:1]]


class HDF5Data(Images):
    """Arrays from HDF5 files, one data set per top.

    The files know the shapes, but for the first axis, batch_size: inputs must give them. No cost.

    Source: Caffe, src/caffe/layers/hdf5_data_layer.cpp.
    """

    messages = ("hdf5_data_param",)
    tops = (1, None)
    size_lies_in = "the HDF5 files"

    def source_shapes(self, given: Sequence[Shape | None]) -> list[Shape]:
        if "transform_param" in self.layer.params:
            raise NetgenError("transform_param is not for HDF5Data, which transforms nothing; remove it")
        return super().source_shapes(given)

    def images(self) -> Shape:
        raise self.unknown(0, "N, ...")

    def label(self, top: int, batch: int) -> Shape:
        raise self.unknown(top, "N, ...")


class HDF5Output(LayerType):
    """Writes data and labels into an HDF5 file; has no top and no cost.

    Source: Caffe, src/caffe/layers/hdf5_output_layer.cpp.
    """

    messages = ("hdf5_output_param",)
    bottoms = (2, 2)
    tops = (0, 0)
    required = ("file_name",)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return []

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        raise NetgenError("the mirror writes no files; remove the layer, and ask for its bottoms by name (blobs=[...])")


class DummyData(LayerType):
    """Blobs of the shapes given, filled by fillers.

    ``shape``, or the older ``num``, ``channels``, ``height`` and ``width``, are given once for all tops or once for
    each, and so is ``data_filler``, or not at all. No cost.

    Source: Caffe, src/caffe/layers/dummy_data_layer.cpp.
    """

    messages = ("dummy_data_param",)
    bottoms = (0, 0)
    tops = (1, None)
    opaque = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        tops = len(self.layer.tops)
        fillers = self.fields["data_filler"]
        if len(fillers) not in (0, 1, tops):
            raise NetgenError(f"data_filler must be given once for all or each of the {tops} tops, got {len(fillers)}")
        older = {name: self.fields[name] for name in ("num", "channels", "height", "width")}
        if any(older.values()):
            if self.fields["shape"]:
                raise NetgenError("give shape, or num, channels, height and width, not both")
            columns = [_for_each(name, list(values), tops) for name, values in older.items()]
            shapes = list(zip(*columns, strict=True))
        else:
            shapes = _for_each("shape", [tuple(shape.get("dim", ())) for shape in self.fields["shape"]], tops)
        for i, shape in enumerate(shapes):
            filler = fillers[0 if len(fillers) == 1 else i] if fillers else {}
            check_filler(filler, shape, "data_filler")
        return shapes

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.data import Dummies

        fillers: Sequence[Any] = self.fields["data_filler"] or ({},)
        each = tuple(fillers) * (len(self.layer.tops) if len(fillers) == 1 else 1)
        return Dummies(self.layer.name, self.shapes(bottoms), each)


class Parameter(LayerType):
    """A learned blob of the shape given, as a top.

    The top and the only weight have that shape; without one, a single value without axes. No cost.

    Source: Caffe, include/caffe/layers/parameter_layer.hpp.
    """

    messages = ("parameter_param",)
    bottoms = (0, 0)
    weights = 1

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [tuple(self.fields.get("shape", {}).get("dim", ()))]

    def weight_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return self.shapes(bottoms)

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.data import Parameter

        return Parameter(self.shapes(bottoms)[0])


class Python(LayerType):
    """Whatever a Python class does.

    Its shapes lie in its code: inputs must give those of all its tops. What it costs is not counted, and weights that
    it may have are not known.

    Source: Caffe, include/caffe/layers/python_layer.hpp.
    """

    messages = ("python_param",)
    bottoms = (0, None)
    tops = (0, None)
    required = ("module", "layer")
    opaque = True
    counted = False

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        if not self.layer.tops:
            return []
        code = f"{self.fields.get('module', '?')}.{self.fields.get('layer', '?')}"
        names = ", ".join(f"{name!r}: (...)" for name in self.layer.tops)
        raise NetgenError(
            f"its shapes lie in Python code, {code}; give them: inputs={{{names}}} (--input {self.layer.tops[0]}=...)"
        )


class AnnotatedData(Images):
    """Images and their boxes from a database.

    Images are as those of Data, with transform_param's ``resize_param``. The label is 1 x 1 x (boxes in the batch) x 8,
    and changes from batch to batch: inputs must give it. No cost.

    Source: the SSD fork of Caffe, src/caffe/layers/annotated_data_layer.cpp.
    """

    messages = ("annotated_data_param", "data_param", "transform_param")
    tops = (1, None)
    batch_message = "data_param"
    harmless = _DATABASE | fields_of("batch_sampler label_map_file anno_type")

    def label(self, top: int, batch: int) -> Shape:
        raise self.unknown(top, "1, 1, BOXES, 8")


class VideoData(Images):
    """Frames from a camera or a video file.

    Images are as those of Data, labels data_param's batch_size. Other Caffes have a VideoData with clips of 5 axes,
    whose fields are refused: inputs must give the shape. No cost.

    Source: the SSD fork of Caffe, src/caffe/layers/video_data_layer.cpp.
    """

    messages = ("video_data_param", "data_param", "transform_param")
    tops = (1, None)
    size_lies_in = "the video"
    batch_message = "data_param"
    harmless = fields_of("video_type device_id video_file skip_frames batch_size backend source prefetch")


def _for_each(name: str, values: list[Any], tops: int) -> list[Any]:
    """One value for each top, of those given once or once for each."""
    if len(values) not in (1, tops):
        once = "once" if tops == 1 else f"once, or once for each of the {tops} tops"
        raise NetgenError(f"{name} must be given {once}, got {len(values)}")
    return values * tops if len(values) == 1 else values
