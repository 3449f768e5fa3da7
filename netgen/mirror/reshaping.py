"""What moves, copies and selects values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from netgen.errors import NetgenError
from netgen.mirror.function import has_values

if TYPE_CHECKING:
    from netgen.layers.base import Shape


def concat(*bottoms: Tensor, axis: int) -> Tensor:
    """Concat."""
    return torch.cat(bottoms, axis) if len(bottoms) > 1 else bottoms[0]


def cut(bottom: Tensor, *, axis: int, sizes: Callable[[int], list[int]]) -> Tensor | tuple[Tensor, ...]:
    """Slice, into as many as ``sizes`` gives for the axis."""
    tops = torch.split(bottom, sizes(bottom.shape[axis]), axis)
    return tops[0] if len(tops) == 1 else tops


def split(bottom: Tensor, *, tops: int) -> Tensor | tuple[Tensor, ...]:
    """The same blob for each top."""
    return bottom if tops == 1 else (bottom,) * tops


def nothing(*_: Tensor) -> tuple[Tensor, ...]:
    """Silence."""
    return ()


def reshaped(bottom: Tensor, *, shapes: Callable[[Sequence[Shape]], list[Shape]]) -> Tensor:
    """The same values in the shape that the layer's rule gives."""
    return bottom.reshape(shapes((tuple(bottom.shape),))[0])


def tile(bottom: Tensor, *, axis: int, tiles: int) -> Tensor:
    """Repeat the blob along an axis."""
    repeats = [1] * bottom.dim()
    repeats[axis] = tiles
    return bottom.repeat(repeats)


def crop(bottom: Tensor, wanted: Tensor, *, axis: int, offset: Sequence[int]) -> Tensor:
    """Cut to the sizes of the second bottom from an axis on (crop_layer.cpp)."""
    start = axis % bottom.dim()
    offsets = list(offset or (0,)) * (bottom.dim() - start if len(offset) <= 1 else 1)
    for i, begin in enumerate(offsets, start):
        bottom = bottom.narrow(i, begin, wanted.shape[i])
    return bottom


def reindex(bottom: Tensor, indices: Tensor) -> Tensor:
    """Pick images by number; several picks of one add their gradients."""
    rows = indices.long()
    if has_values(rows):
        least, most = int(rows.min()), int(rows.max())
        if least < 0 or most >= len(bottom):
            raise NetgenError(f"indices must lie in 0..{len(bottom) - 1}, got {least}..{most}")
    return bottom.index_select(0, rows)


def kept(*bottoms: Tensor) -> Tensor | tuple[Tensor, ...]:
    """Filter: the images where the last bottom is not 0 (filter_layer.cpp)."""
    *blobs, selector = bottoms
    rows = selector.reshape(len(selector)).nonzero().flatten()
    tops = tuple(blob.index_select(0, rows) for blob in blobs)
    return tops[0] if len(tops) == 1 else tops


def permute(bottom: Tensor, *, order: Sequence[int]) -> Tensor:
    """Reorder the axes; those left out follow in their own order."""
    rest = [axis for axis in range(bottom.dim()) if axis not in order]
    return bottom.permute(*order, *rest).contiguous()


def shuffle_channels(bottom: Tensor, *, group: int) -> Tensor:
    """The first channel of each group, the second of each, ...; always N C H W."""
    image = bottom.reshape(*bottom.shape, *[1] * (4 - bottom.dim()))
    number, channels, height, width = image.shape
    groups = image.reshape(number, group, channels // group, height, width)
    return groups.transpose(1, 2).reshape(image.shape)


def reorg(bottom: Tensor, *, stride: int, reverse: bool, shapes: Callable[[Sequence[Shape]], list[Shape]]) -> Tensor:
    """Darknet's reorg_cpu, as the forks have it (reorg_layer.cpp).

    Both directions read or write one buffer as ``c`` channels, which it divides by stride^2.
    """
    image = bottom.reshape(*bottom.shape, *[1] * (4 - bottom.dim()))
    number, channels, height, width = shapes((tuple(image.shape),))[0]
    s = stride
    if reverse:
        blocks = image.reshape(number, s, s, channels, height // s, width // s)
        return blocks.permute(0, 3, 4, 1, 5, 2).reshape(number, channels, height, width)
    c = image.shape[1]
    if c % s**2:
        raise NetgenError(f"the channels must be a multiple of stride^2 for its values, got {c}, stride={s}")
    blocks = image.reshape(number, c // s**2, image.shape[2], s, image.shape[3], s)
    return blocks.permute(0, 3, 5, 1, 2, 4).reshape(number, channels, height, width)


def repeat_nearest(bottom: Tensor, *, scale: int) -> Tensor:
    """Each value scale x scale times."""
    return bottom.repeat_interleave(scale, -2).repeat_interleave(scale, -1) if scale != 1 else bottom


def unpool(bottom: Tensor, mask: Tensor, *, shapes: Callable[[Sequence[Shape]], list[Shape]]) -> Tensor:
    """Each value at the position that a pooling mask names, 0 elsewhere (SegNet's upsample_layer.cpp)."""
    top = shapes((tuple(bottom.shape), tuple(mask.shape)))[0]
    places = mask.long().flatten(2)
    if has_values(places) and int(places.max()) >= top[2] * top[3]:
        raise NetgenError(
            f"the mask names position {int(places.max())}, and the top has {top[2]} x {top[3]}; give upsample_h and "
            "upsample_w"
        )
    empty = bottom.new_zeros((*top[:2], top[2] * top[3]))
    return empty.scatter(2, places, bottom.flatten(2)).reshape(top)


def interpolate(bottom: Tensor, *others: Tensor, before: int, after: int, shapes: Callable[..., list[Shape]]) -> Tensor:
    """Bilinear, corners onto corners, of the bottom cropped by the (negative) pads (interp_layer.cpp)."""
    image = bottom.reshape(*bottom.shape, *[1] * (4 - bottom.dim()))
    top = shapes(tuple(tuple(each.shape) for each in (bottom, *others)))[0]
    image = image[:, :, -before : image.shape[2] + after, -before : image.shape[3] + after]
    return torch.nn.functional.interpolate(image, top[2:], mode="bilinear", align_corners=True)


def reduction(bottom: Tensor, *, operation: str, axis: int, coeff: float) -> Tensor:
    """SUM, MEAN, ASUM or SUMSQ of all axes from one on (reduction_layer.cpp)."""
    flat = bottom.flatten(axis % max(bottom.dim(), 1)) if bottom.dim() else bottom.reshape(1)
    values = {"ASUM": torch.abs, "SUMSQ": torch.square}.get(operation, torch.Tensor.contiguous)(flat)
    top = values.mean(-1) if operation == "MEAN" else values.sum(-1)
    return top if coeff == 1 else top * coeff


def argmax(bottom: Tensor, *, top_k: int, axis: int | None, out_max_val: bool) -> Tensor:
    """The largest values' positions, or values; of equal ones the last counts as largest (argmax_layer.cpp)."""
    scores = bottom.reshape(len(bottom), -1) if axis is None else bottom.movedim(axis, -1)
    # A stable sort of the reversed values puts the last of equal ones first.
    values, places = scores.flip(-1).sort(dim=-1, descending=True, stable=True)
    values = values[..., :top_k]
    places = (scores.shape[-1] - 1 - places[..., :top_k]).to(bottom.dtype)
    if axis is not None:
        return (values if out_max_val else places).movedim(-1, axis)
    tops = torch.stack([places, values], 1) if out_max_val else places.unsqueeze(1)
    return tops.reshape(*tops.shape, *[1] * max(0, bottom.dim() - 3))
