"""Layers of forks that move channels and positions, or make more of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.layers.base import LayerType, Shape, count, legacy_shape, text, truncated
from netgen.layers.checks import require

if TYPE_CHECKING:
    from torch.nn import Module


class ShuffleChannel(LayerType):
    """Interleaves the channels of ``group`` groups: the first of each, the second of each, ...

    The top has the bottom's shape, always as N x C x H x W; ``group`` must divide the channels (Caffe dies of that in
    the first forward pass). No cost. PyTorch: nn.ChannelShuffle.

    Source: farmingyard/ShuffleNet and other forks, src/caffe/layers/shuffle_channel_layer.cpp.
    """

    messages = ("shuffle_channel_param",)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        group, top = self.fields["group"], legacy_shape(bottoms[0])
        if group < 1 or top[1] % group:
            raise NetgenError(f"the channels must be a multiple of group, got {top[1]}, group={group}")
        return [top]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.reshaping import shuffle_channels

        return Function(shuffle_channels, group=self.fields["group"])


class Reorg(LayerType):
    """Moves blocks of ``stride`` x ``stride`` positions into channels, or back with ``reverse``.

    N x C x H x W becomes N x C stride^2 x H/stride x W/stride; with ``reverse`` N x C/stride^2 x H stride x W stride.
    ``stride`` must divide: of the forks caffe-yolo9000 refuses the rest, and others write beyond the blob. In the
    schemas of forks the numbers of ``stride`` and ``reverse`` are swapped, and caffe-yolo9000 has no ``reverse``; the
    values land in another order than PyTorch's nn.PixelUnshuffle puts them. No cost.

    Source: eric612/Caffe-YOLOv3-Windows and other YOLOv2 forks, src/caffe/layers/reorg_layer.cpp.
    """

    messages = ("reorg_param",)
    required = ("stride",)
    refuses_in_place = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require(self, "stride")
        stride = self.fields["stride"]
        number, channels, height, width = legacy_shape(bottoms[0])
        if stride < 1:
            raise NetgenError(f"stride must be 1 or more, got {stride}")
        if self.fields["reverse"]:
            if channels % stride**2:
                raise NetgenError(f"the channels must be a multiple of stride^2, got {channels}, stride={stride}")
            return [(number, channels // stride**2, height * stride, width * stride)]
        if height % stride or width % stride:
            raise NetgenError(f"height and width must be multiples of stride, got {height}x{width}, stride={stride}")
        return [(number, channels * stride**2, height // stride, width // stride)]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.reshaping import reorg

        return Function(reorg, stride=self.fields["stride"], reverse=self.fields["reverse"], shapes=self.shapes)


class Upsample(LayerType):
    """Repeats each value, or puts it at the position that a pooling mask, the second bottom, names.

    One bottom (MobileNet-YOLO, darknet2caffe): the last two axes are multiplied by ``scale`` (1), which
    pytorch-caffe-darknet-convert calls ``stride``. Two bottoms (SegNet): N x C x ``upsample_h`` x ``upsample_w``, or
    H scale_h - pad_out_h x W scale_w - pad_out_w, where ``scale`` stands for both and is 2 by default there. The mask
    has the bottom's shape; positions beyond the top are refused in the forward pass. No cost. PyTorch:
    nn.Upsample(mode="nearest"), nn.MaxUnpool2d.

    Source: MobileNet-YOLO (one bottom) and alexgkendall/caffe-segnet (two), src/caffe/layers/upsample_layer.cpp.
    """

    messages = ("upsample_param",)
    bottoms = (1, 2)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom = bottoms[0]
        if len(bottoms) == 2:
            return [self._unpooled(bottom, bottoms[1])]
        for name in self.given:
            if name not in ("scale", "stride"):
                raise NetgenError(f"{name} belongs to the form with a pooling mask as second bottom; give scale alone")
        if len(bottom) < 2:
            raise NetgenError(f"its bottom must have 2 axes or more, got {text(bottom)}")
        scale = self.repeats()
        return [(*bottom[:-2], bottom[-2] * scale, bottom[-1] * scale)]

    def repeats(self) -> int:
        """How often a value stands in each of both directions, with one bottom."""
        if "stride" in self.given and "scale" in self.given:
            raise NetgenError("stride is another Caffe's name for scale; give one of them")
        scale: int = self.given.get("stride", self.fields["scale"])
        if scale < 1:
            raise NetgenError(f"scale must be 1 or more, got {scale}")
        return scale

    def _unpooled(self, bottom: Shape, mask: Shape) -> Shape:
        given = self.given
        if "stride" in given:
            raise NetgenError("stride belongs to the form with one bottom; give scale")
        if len(bottom) != 4 or mask != bottom:
            raise NetgenError(f"its bottoms must have 4 axes and one shape, got {text(bottom)} and {text(mask)}")
        if "upsample_h" in given and "upsample_w" in given:
            size = given["upsample_h"], given["upsample_w"]
            if min(size) < 2:
                raise NetgenError(f"upsample_h and upsample_w must be 2 or more, got {text(size)}")
            return (*bottom[:2], *size)
        pair = [name in given for name in ("scale_h", "scale_w")]
        if any(pair) and ("scale" in given or not all(pair)):
            raise NetgenError(
                "upsample_h and upsample_w are needed, or scale, or scale_h and scale_w; no other mixture"
            )
        # The schema's default is the one-bottom form's.
        both = given.get("scale", 2)
        scale = given.get("scale_h", both), given.get("scale_w", both)
        if min(scale) < 2:
            raise NetgenError(f"scale must be 2 or more, got {text(scale)}")
        cut = self.fields["pad_out_h"], self.fields["pad_out_w"]
        if any(less and by != 2 for less, by in zip(cut, scale, strict=True)):
            raise NetgenError(f"pad_out_h and pad_out_w need a scale of 2, got {text(scale)}")
        return (*bottom[:2], bottom[2] * scale[0] - cut[0], bottom[3] * scale[1] - cut[1])

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.reshaping import repeat_nearest, unpool

        if len(bottoms) == 2:
            return Function(unpool, shapes=self.shapes)
        return Function(repeat_nearest, scale=self.repeats())


class Interp(LayerType):
    """Resizes bilinearly, corners onto corners.

    ``pad_beg`` and ``pad_end``, 0 or negative, crop first: h = H + pad_beg + pad_end. Then the fields that are given
    decide, in this order: ``shrink_factor`` alone, (h - 1) / shrink_factor + 1; ``zoom_factor`` alone,
    h + (h - 1) (zoom_factor - 1); ``height`` and ``width``; both factors, the shrunk size zoomed. Two bottoms: the
    second's height and width, and none of those unless ``use_blob_size`` of some forks is true, which goes before
    them. The top is N x C x height x width. flops: 9 a value of the top.

    Forks differ: DeepLab's first Interp has no shrinking and no pads, and like SegStereo refuses more than one of
    these; OpenVINO's zooms to h zoom_factor, and no field says that a file is meant so: write height and width there.
    PyTorch: F.interpolate(mode="bilinear", align_corners=True).

    Source: DeepLab v2, PSPNet and others, src/caffe/layers/interp_layer.cpp; yangguorun/SegStereo for two bottoms.
    """

    messages = ("interp_param",)
    bottoms = (1, 2)
    own_fields = ("use_blob_size",)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        fields = self.fields
        number, channels, height, width = legacy_shape(bottoms[0])
        if fields["pad_beg"] > 0 or fields["pad_end"] > 0:
            raise NetgenError(
                f"pad_beg and pad_end may only crop (0 or less), got {fields['pad_beg']} and {fields['pad_end']}"
            )
        crop = fields["pad_beg"] + fields["pad_end"]
        size = self._size((height + crop, width + crop), bottoms)
        if min(height + crop, width + crop, *size) < 1:
            raise NetgenError(
                f"the sizes before and after must be 1 or more, got {height + crop}x{width + crop}, {text(size)}"
            )
        return [(number, channels, *size)]

    def _size(self, size: Shape, bottoms: Sequence[Shape]) -> Shape:
        given = self.given
        sized = "height" in given and "width" in given
        shrinks, zooms = "shrink_factor" in given, "zoom_factor" in given
        second = str(given.get("use_blob_size", "false")).lower() in ("true", "t", "1")
        if second and len(bottoms) < 2:
            raise NetgenError("use_blob_size needs a second bottom, whose size is meant")
        if len(bottoms) == 2:
            if (sized or shrinks or zooms) and not second:
                raise NetgenError("the second bottom gives the size; remove height, width and the factors")
            return legacy_shape(bottoms[1])[2:]
        if sized and shrinks == zooms:
            return given["height"], given["width"]
        if not shrinks and not zooms:
            raise NetgenError("height and width, zoom_factor, shrink_factor or a second bottom must give the size")
        shrink, zoom = self.fields["shrink_factor"], self.fields["zoom_factor"]
        if shrink < 1 or zoom < 1:
            raise NetgenError(f"the factors must be 1 or more, got shrink_factor={shrink}, zoom_factor={zoom}")
        small = tuple(truncated(each - 1, shrink) + 1 for each in size)
        return tuple(each + (each - 1) * (zoom - 1) for each in small)

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 9 * count(tops[0])

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.reshaping import interpolate

        return Function(interpolate, before=self.fields["pad_beg"], after=self.fields["pad_end"], shapes=self.shapes)
