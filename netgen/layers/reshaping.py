"""Layers that move, copy or select values without computing with them.

Longer than other modules: the family is large, and each type's shape rule stands beside its arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.layers.base import SAME_PLACE, LayerType, Shape, Window, canonical_axis, count, refuse_empty, text
from netgen.layers.checks import axis_or_dim, listed, require

if TYPE_CHECKING:
    from torch.nn import Module


class Concat(LayerType):
    """Joins blobs along ``axis`` (1, the channels).

    The top has the sum of the bottoms' sizes on that axis; all other sizes must agree, and a single bottom must have
    values. ``concat_dim`` is the older name of ``axis``, and is never negative. No cost. PyTorch: torch.cat.
    With ``per_fla_fuse`` of Intel's Caffe, and axis 1, only the batch must agree, and the top is N x (the values of all
    bottoms) x 1 x 1; in which order the values come hangs on their layout in memory, so it has no mirror.

    Source: Caffe, src/caffe/layers/concat_layer.cpp; intel/caffe, src/caffe/layers/mkldnn_concat_layer.cpp.
    """

    messages = ("concat_param",)
    bottoms = (1, None)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        axis = axis_or_dim(self, "concat_dim", bottoms[0])
        first = bottoms[0]
        if self.fields["per_fla_fuse"] and axis == 1:
            return [self._flattened(bottoms)]
        before, behind = first[:axis], first[axis + 1 :]
        if len(bottoms) == 1:
            refuse_empty(first)
        for shape in bottoms[1:]:
            if len(shape) != len(first) or shape[:axis] != before or shape[axis + 1 :] != behind:
                raise NetgenError(
                    f"all bottoms must agree on every axis but axis {axis}, got {text(first)} and {text(shape)}"
                )
        return [(*before, sum([shape[axis] for shape in bottoms]), *behind)]

    def _flattened(self, bottoms: Sequence[Shape]) -> Shape:
        first = bottoms[0]
        for shape in bottoms[1:]:
            if len(shape) != len(first) or shape[0] != first[0]:
                raise NetgenError(f"all bottoms must agree on axis 0 and in axes, got {text(first)} and {text(shape)}")
        return first[0], sum([count(shape, 1) for shape in bottoms]), *(1 for _ in first[2:])

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.reshaping import concat

        if self.fields["per_fla_fuse"]:
            raise NetgenError("per_fla_fuse of Intel's Caffe has no mirror; permute and flatten the bottoms instead")
        return Function(concat, axis=axis_or_dim(self, "concat_dim", bottoms[0]))


class Slice(LayerType):
    """Cuts a blob along ``axis`` (1, the channels), at the ``slice_point`` or into equal parts.

    With slice points p the tops have p[0], p[1] - p[0], ..., size - p[-1] on the axis; without, size / tops, which
    must divide. The last part may be empty. ``slice_dim`` is the older name of ``axis``, and is never negative. No
    cost. PyTorch: torch.split.

    Source: Caffe, src/caffe/layers/slice_layer.cpp.
    """

    messages = ("slice_param",)
    tops = (1, None)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom = bottoms[0]
        axis = axis_or_dim(self, "slice_dim", bottom)
        if len(self.layer.tops) == 1:
            refuse_empty(bottom)
        return [(*bottom[:axis], size, *bottom[axis + 1 :]) for size in self._sizes(bottom[axis])]

    def _sizes(self, size: int) -> list[int]:
        points, parts = self.fields["slice_point"], len(self.layer.tops)
        if not points:
            if size % parts:
                raise NetgenError(f"the {parts} tops must divide the size {size} of the axis; or give slice_point")
            return [size // parts] * parts
        if len(points) != parts - 1:
            raise NetgenError(f"slice_point must be given {parts - 1} times for {parts} tops, got {len(points)}")
        if parts > size:
            raise NetgenError(f"there must be no more tops than the size {size} of the axis, got {parts}")
        bounds = [0, *points]
        if any(low >= high for low, high in zip(bounds, points, strict=False)) or bounds[-1] > size:
            got = listed(points)
            raise NetgenError(f"slice_point must rise from above 0 up to the size {size} of the axis, got {got}")
        return [high - low for low, high in zip(bounds, [*points, size], strict=True)]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.reshaping import cut

        return Function(cut, axis=axis_or_dim(self, "slice_dim", bottoms[0]), sizes=self._sizes)


class Split(LayerType):
    """Gives the same blob to each top; Caffe inserts these itself where a blob has several readers.

    The tops have the bottom's shape. No cost. PyTorch: the tensor itself.

    Source: Caffe, src/caffe/layers/split_layer.cpp.
    """

    tops = (1, None)
    refuses_in_place = True
    shares_memory = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [bottoms[0]] * len(self.layer.tops)

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.reshaping import split

        return Function(split, tops=len(self.layer.tops))


class Silence(LayerType):
    """Swallows blobs so that they are no outputs of the net.

    No tops, no cost.

    Source: Caffe, src/caffe/layers/silence_layer.cpp.
    """

    bottoms = (1, None)
    tops = (0, 0)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return []

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.reshaping import nothing

        return Function(nothing)


class Reshape(LayerType):
    """The same values in another shape.

    ``shape`` replaces ``num_axes`` axes (-1: all) from ``axis`` on (0; negative ones count from behind the last, so
    that -1 appends). In it 0 copies the bottom's size at that place, and one -1 is what the others leave. The number
    of values stays. No cost. PyTorch: torch.reshape, where 0 is a size and does not copy. ``pixelshuffler`` (Intel) is
    refused: it moves values.

    Source: Caffe, src/caffe/layers/reshape_layer.cpp.
    """

    messages = ("reshape_param",)
    refuses_in_place = True
    shares_memory = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.refuse("pixelshuffler")
        bottom = bottoms[0]
        start, end = self._span(bottom)
        refuse_empty(bottom)
        dims = self._dims(bottom, start)
        if -1 in dims:
            rest = count(bottom, 0, start) * count(bottom, end) * -count(dims)
            if not rest or count(bottom) % rest:
                raise NetgenError(
                    f"-1 needs the {count(bottom)} values of the bottom {text(bottom)} to be a multiple of the "
                    f"other sizes, got {rest}"
                )
            dims[dims.index(-1)] = count(bottom) // rest
        top = (*bottom[:start], *dims, *bottom[end:])
        if count(top) != count(bottom):
            raise NetgenError(
                f"the top must have as many values as the bottom {text(bottom)} ({count(bottom)}), "
                f"got {text(top)} ({count(top)})"
            )
        return [top]

    def _span(self, bottom: Shape) -> tuple[int, int]:
        """The first axis that is replaced, and the one behind the last."""
        axis, number, axes = self.fields["axis"], self.fields["num_axes"], len(bottom)
        start = axis if axis >= 0 else axes + axis + 1
        if not 0 <= start <= axes:
            raise NetgenError(f"axis must lie in {-axes - 1}..{axes} for the bottom {text(bottom)}, got {axis}")
        end = axes if number == -1 else start + number
        if number < -1 or end > axes:
            raise NetgenError(
                f"num_axes must be -1 (all) or lie in 0..{axes - start} from axis {axis} of the bottom {text(bottom)}, "
                f"got {number}"
            )
        return start, end

    def _dims(self, bottom: Shape, start: int) -> list[int]:
        """``shape`` with its zeros copied."""
        dims = list(self.fields.get("shape", {}).get("dim", ()))
        if dims.count(-1) > 1 or any(dim < -1 for dim in dims):
            raise NetgenError(f"shape takes sizes, 0 to copy and one -1 to infer, got {listed(dims)}")
        for i, dim in enumerate(dims):
            if dim == 0:
                if start + i >= len(bottom):
                    raise NetgenError(f"a 0 in shape copies axis {start + i}, which the bottom {text(bottom)} lacks")
                dims[i] = bottom[start + i]
        return dims

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.reshaping import reshaped

        return Function(reshaped, shapes=self.shapes)


class Flatten(LayerType):
    """Joins the axes from ``axis`` (1) to ``end_axis`` (-1, the last) into one.

    Their product stands in their place; ``axis`` just behind ``end_axis`` puts in an axis of size 1. No cost. PyTorch:
    torch.flatten(start_dim=1).

    Source: Caffe, src/caffe/layers/flatten_layer.cpp.
    """

    messages = ("flatten_param",)
    refuses_in_place = True
    shares_memory = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom = bottoms[0]
        start = canonical_axis(self.fields["axis"], bottom)
        end = canonical_axis(self.fields["end_axis"], bottom, "end_axis")
        if start > end + 1:
            raise NetgenError(f"axis must not lie more than 1 behind end_axis, got {start} and {end}")
        return [(*bottom[:start], count(bottom, start, end + 1), *bottom[end + 1 :])]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.reshaping import reshaped

        return Function(reshaped, shapes=self.shapes)


class Tile(LayerType):
    """Repeats a blob ``tiles`` times along ``axis`` (1).

    The size of that axis is multiplied by ``tiles``. No cost. PyTorch: torch.Tensor.repeat.

    Source: Caffe, src/caffe/layers/tile_layer.cpp.
    """

    messages = ("tile_param",)
    required = ("tiles",)

    def window(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> Window | None:
        return None

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require(self, "tiles")
        bottom, tiles = bottoms[0], self.fields["tiles"]
        axis = canonical_axis(self.fields["axis"], bottom)
        if tiles < 1:
            raise NetgenError(f"tiles must be 1 or more, got {tiles}")
        return [(*bottom[:axis], bottom[axis] * tiles, *bottom[axis + 1 :])]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.reshaping import tile

        return Function(tile, axis=canonical_axis(self.fields["axis"], bottoms[0]), tiles=self.fields["tiles"])


class Crop(LayerType):
    """Cuts the first bottom to the sizes of the second, from ``axis`` (2) on.

    The top has the first bottom's sizes before ``axis`` and the second's from there. ``offset`` is where the cut
    begins: one for all those axes, or one for each; 0 by default. No cost. PyTorch: slicing.

    Source: Caffe, src/caffe/layers/crop_layer.cpp.
    """

    messages = ("crop_param",)
    implied: Mapping[str, int] = {"offset": 0}
    bottoms = (2, 2)

    def window(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> Window | None:
        return SAME_PLACE

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom, wanted = bottoms
        axis = canonical_axis(self.fields["axis"], bottom)
        axes = len(bottom) - axis
        offsets = self.fields["offset"] or (self.implied["offset"],)
        if len(offsets) not in (1, axes):
            raise NetgenError(f"offset must be given once, or once for each of the {axes} axes, got {len(offsets)}")
        if len(wanted) < len(bottom):
            raise NetgenError(
                f"the second bottom must have as many axes as the first, {text(bottom)}, got {text(wanted)}"
            )
        for i, offset in enumerate(offsets * axes if len(offsets) == 1 else offsets, axis):
            if bottom[i] - offset < wanted[i]:
                raise NetgenError(
                    f"axis {i} of the first bottom must hold the second's size from the offset on, got {bottom[i]} "
                    f"for {wanted[i]} with offset {offset}"
                )
        return [(*bottom[:axis], *wanted[axis : len(bottom)])]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.reshaping import crop

        return Function(crop, axis=self.fields["axis"], offset=self.fields["offset"])


class BatchReindex(LayerType):
    """Picks images of the first bottom by the indices in the second.

    The top has the second bottom's length as its batch. No cost. PyTorch: torch.index_select on axis 0.

    Source: Caffe, src/caffe/layers/batch_reindex_layer.cpp.
    """

    bottoms = (2, 2)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        if len(bottoms[1]) != 1:
            raise NetgenError(f"the second bottom, the indices, must have 1 axis, got {text(bottoms[1])}")
        return [(*bottoms[1], *bottoms[0][1:])]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.reshaping import reindex

        return Function(reindex)


class Filter(LayerType):
    """Keeps the images of each bottom but the last where the last, the selector, is not 0.

    How many remain hangs on the values. The shapes are those after loading, when Caffe keeps all: each top has its
    bottom's. No cost. PyTorch: boolean indexing.

    Source: Caffe, src/caffe/layers/filter_layer.cpp.
    """

    bottoms = (2, None)
    tops = (1, None)
    dynamic = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        *data, selector = bottoms
        if len(self.layer.tops) != len(data):
            raise NetgenError(f"takes one bottom more than tops, got {len(bottoms)} for {len(self.layer.tops)}")
        if not selector or count(selector, 1) != 1:
            raise NetgenError(
                f"the last bottom, the selector, must have size 1 on all axes but the first, got {text(selector)}"
            )
        refuse_empty(selector)
        for shape in data:
            if not shape or shape[0] != selector[0]:
                raise NetgenError(f"all bottoms must have the selector's first axis, {selector[0]}, got {text(shape)}")
        return list(data)

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import ByValue
        from netgen.mirror.reshaping import kept

        return ByValue(kept, self.shapes)


class Permute(LayerType):
    """Reorders the axes: top axis i is the bottom's ``order[i]``.

    Axes that ``order`` leaves out follow in their own order. No cost. PyTorch: torch.permute, then contiguous.

    Source: the SSD fork of Caffe, src/caffe/layers/permute_layer.cpp.
    """

    messages = ("permute_param",)

    def window(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> Window | None:
        return None

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom, order = bottoms[0], self.fields["order"]
        if len(set(order)) != len(order) or any(axis >= len(bottom) for axis in order):
            raise NetgenError(f"order must name axes of the bottom {text(bottom)}, each once, got {listed(order)}")
        rest = [axis for axis in range(len(bottom)) if axis not in order]
        return [tuple(bottom[axis] for axis in (*order, *rest))]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.reshaping import permute

        return Function(permute, order=self.fields["order"])
