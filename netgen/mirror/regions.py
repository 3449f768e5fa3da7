"""Regions of Faster R-CNN and R-FCN: where they are, and what lies in them.

A region is image, xmin, ymin, xmax, ymax, in pixels of the network's input; both corners belong to it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from netgen.errors import NetgenError
from netgen.mirror.boxes import cornered, suppress
from netgen.mirror.detection import wide
from netgen.mirror.pooling import finite, lowest


class Cells(NamedTuple):
    """The cells of a grid over R regions: the positions of the features in each, from the first up to the second."""

    images: Tensor
    """R, the image of each region."""
    tops: Tensor
    """R x h, as are the bottoms."""
    bottoms: Tensor
    lefts: Tensor
    """R x w, as are the rights."""
    rights: Tensor


def roi_pool(features: Tensor, regions: Tensor, *, pooled_h: int, pooled_w: int, spatial_scale: float) -> Tensor:
    """The maximum of each cell, N C H W and R x 5 to R C h w; 0 in an empty one (roi_pooling_layer.cpp).

    The gradient goes to the first of equal values, row by row.
    """
    with torch.no_grad():
        cells = _roi_cells(features, regions, (pooled_h, pooled_w), spatial_scale)
        places, filled = _largest(features, cells)
    height, width = features.shape[2:]
    channels = torch.arange(features.shape[1], device=features.device)[:, None, None]
    flat = (cells.images[:, None, None, None] * features.shape[1] + channels) * height * width + places
    values = features.reshape(-1)[torch.where(places < 0, 0, flat)]
    # Caffe begins with -FLT_MAX, and passes over NaN.
    return torch.where(places >= 0, values, torch.where(filled[:, None], lowest(features), 0).to(values))


def _roi_cells(features: Tensor, regions: Tensor, grid: tuple[int, int], scale: float) -> Cells:
    corners = _rounded(wide(regions).reshape(-1, 5)[:, 1:] * scale)
    spans = []
    for axis, (number, size) in enumerate(zip(grid, features.shape[2:], strict=True)):
        low, high = corners[:, 1 - axis, None], corners[:, 3 - axis, None]
        each = (high - low + 1).clamp(min=1) / number
        steps = torch.arange(number + 1, device=corners.device).to(corners)
        edges = ((steps[:-1] * each).floor() + low, (steps[1:] * each).ceil() + low)
        spans += [edge.clamp(0, size).long() for edge in edges]
    return Cells(_images(features, regions), *spans)


def _images(features: Tensor, regions: Tensor) -> Tensor:
    images = regions.reshape(-1, 5)[:, 0].long()
    wrong = (images < 0) | (images >= features.shape[0])
    if bool(wrong.any()):
        raise NetgenError(
            f"the image of a region must lie in 0..{features.shape[0] - 1}, the batch of the features, "
            f"got {int(images[wrong][0])}"
        )
    return images


def _rounded(values: Tensor) -> Tensor:
    """To whole numbers as C's round, halves away from 0."""
    return values.sign() * (values.abs() + 0.5).floor()


def _largest(features: Tensor, cells: Cells) -> tuple[Tensor, Tensor]:
    """The place y W + x of the largest value of each cell, R C h w, -1 for none; and which cells are filled, R h w.

    A cell is covered by four rectangles that overlap and whose sides are powers of 2. All rectangles of one size are
    made from those of half the size, so that the time hangs on features and cells, not on the cells' sizes.
    """
    heights, widths = cells.bottoms - cells.tops, cells.rights - cells.lefts
    filled = (heights[:, :, None] > 0) & (widths[:, None] > 0)
    found = filled.new_full((*filled.shape, features.shape[1]), -1, dtype=torch.long)
    values = finite(features).permute(0, 2, 3, 1)
    places = torch.arange(math.prod(values.shape[1:3]), device=features.device).view(values.shape[1:3])[..., None]
    tall = values.contiguous(), torch.where(values > lowest(features), places, -1)
    for by_height, rows in enumerate(_powers(heights)):
        tall = _doubled(tall, 1, by_height)
        both = tall
        for by_width, columns in enumerate(_powers(widths)):
            both = _doubled(both, 2, by_width)
            at = (rows[:, :, None] & columns[:, None]).nonzero(as_tuple=True)
            found[at] = _covered(both, cells, at, 2**by_height, 2**by_width)
    return found.permute(0, 3, 1, 2), filled


def _powers(sizes: Tensor) -> list[Tensor]:
    """For each power of 2 from 1 on, which sizes lie from it up to the next."""
    most = int(sizes.max()) if sizes.numel() else 0
    bounds = [2**power for power in range(most.bit_length() + 1)]
    return [(sizes >= low) & (sizes < high) for low, high in pairwise(bounds)]


def _doubled(table: tuple[Tensor, Tensor], axis: int, power: int) -> tuple[Tensor, Tensor]:
    """The table of rectangles of twice the size along an axis; the one for 1 is as it is."""
    if power == 0:
        return table
    half = 2 ** (power - 1)
    length = table[0].shape[axis] - half
    near, far = ([each.narrow(axis, start, length) for each in table] for start in (0, half))
    return _larger(near[0], near[1], far[0], far[1])


def _larger(value: Tensor, place: Tensor, other: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """The larger of two values and its place; of equal ones the earlier."""
    takes = (other > value) | ((other == value) & (there < place))
    return torch.where(takes, other, value), torch.where(takes, there, place)


def _covered(table: tuple[Tensor, Tensor], cells: Cells, at: tuple[Tensor, ...], height: int, width: int) -> Tensor:
    """The places in the cells that rectangles of one size cover, cells x C."""
    region, row, column = at
    image = cells.images[region]
    ys = (cells.tops[region, row], cells.bottoms[region, row] - height)
    xs = (cells.lefts[region, column], cells.rights[region, column] - width)
    best: tuple[Tensor, Tensor] | None = None
    for y in ys:
        for x in xs:
            value, place = table[0][image, y, x], table[1][image, y, x]
            best = (value, place) if best is None else _larger(*best, value, place)
    assert best is not None
    return best[1]


def psroi_pool(features: Tensor, regions: Tensor, *, spatial_scale: float, output_dim: int, group_size: int) -> Tensor:
    """The mean of each cell in its own channel, N C H W and R x 5 to R x output_dim x g x g (psroi_pooling_layer.cu).

    0 in an empty cell. The sums are differences of sums from the corner on, in double precision.
    """
    with torch.no_grad():
        cells = _psroi_cells(features, regions, group_size, spatial_scale)
    sums = torch.nn.functional.pad(features.double().cumsum(2).cumsum(3), (1, 0, 1, 0))
    channels = torch.arange(output_dim * group_size**2, device=features.device).view(-1, group_size, group_size)
    image = cells.images[:, None, None, None]
    top, bottom = (each[:, None, :, None] for each in (cells.tops, cells.bottoms))
    left, right = (each[:, None, None, :] for each in (cells.lefts, cells.rights))
    area = (bottom - top).clamp(min=0) * (right - left).clamp(min=0)
    total = sums[image, channels, bottom, right] - sums[image, channels, top, right]
    total = total - sums[image, channels, bottom, left] + sums[image, channels, top, left]
    return torch.where(area > 0, total / area.clamp(min=1), 0).to(features.dtype)


def _psroi_cells(features: Tensor, regions: Tensor, number: int, scale: float) -> Cells:
    corners = _rounded(wide(regions).reshape(-1, 5)[:, 1:])
    spans = []
    for axis, size in enumerate(features.shape[2:]):
        low, high = corners[:, 1 - axis, None] * scale, (corners[:, 3 - axis, None] + 1) * scale
        each = (high - low).clamp(min=0.1) / number
        steps = torch.arange(number + 1, device=corners.device).to(corners)
        edges = ((steps[:-1] * each + low).floor(), (steps[1:] * each + low).ceil())
        spans += [edge.clamp(0, size).long() for edge in edges]
    return Cells(_images(features, regions), *spans)


def anchors(base_size: int, ratios: Sequence[float], scales: Sequence[float]) -> list[tuple[float, ...]]:
    """The boxes around the first position, in pixels, by ratio (height to width), then by scale (GenerateAnchors).

    >>> anchors(16, [0.5], [8])
    [(-84.0, -40.0, 99.0, 55.0)]
    """
    centre = (base_size - 1) / 2
    found: list[tuple[float, ...]] = []
    for ratio in ratios:
        wide_side = math.floor(math.sqrt(base_size**2 / ratio) + 0.5)
        high_side = math.floor(wide_side * ratio + 0.5)
        for scale in scales:
            x, y = (wide_side * scale - 1) / 2, (high_side * scale - 1) / 2
            found.append((centre - x, centre - y, centre + x, centre + y))
    return found


@torch.no_grad()
def proposal(
    scores: Tensor,
    deltas: Tensor,
    info: Tensor,
    *,
    bases: Sequence[tuple[float, ...]],
    stride: int,
    min_size: int,
    before: int,
    after: int,
    threshold: float,
    tops: int,
) -> Tensor | tuple[Tensor, Tensor]:
    """Regions, R x 5, and their scores, R: ``after`` of each image at most (proposal_layer.cpp).

    Scores N x 2A x H x W, of which the second A are the objects', deltas N x 4A x H x W; ``info`` begins with the
    height and width of the images and the scale, or the scales of both, that ``min_size`` is multiplied by. A region
    below it stays, with score 0. Of equal scores the first comes first; Caffe's sort leaves that open. No gradient.
    """
    number, batch = len(bases), scores.shape[0]
    if info.numel() < 3:
        raise NetgenError(f"the third bottom must hold the images' height, width and scale, got {info.numel()} values")
    height, width, *scale = wide(info).flatten()[:4].tolist()
    grid = torch.stack(
        torch.meshgrid(*(torch.arange(size, device=scores.device) for size in scores.shape[2:]), indexing="ij")[::-1],
        -1,
    )
    boxes = grid.repeat(1, 1, 2)[:, :, None] * stride + wide(deltas).new_tensor(bases)
    codes = wide(deltas).view(batch, number, 4, *deltas.shape[2:]).permute(0, 3, 4, 1, 2)
    sides = boxes[..., 2:] - boxes[..., :2] + 1
    centres = boxes[..., :2] + sides / 2
    found = cornered(codes[..., :2] * sides + centres, codes[..., 2:].exp() * sides)
    found = torch.minimum(found, found.new_tensor([width - 1, height - 1] * 2)).clamp(min=0)
    least = found.new_tensor([min_size * scale[-1], min_size * scale[0]])
    large = (found[..., 2:] - found[..., :2] + 1 >= least).all(-1)
    rated = (wide(scores)[:, number:].permute(0, 2, 3, 1) * large).flatten(1)
    best, places = (each[:, :before] for each in rated.sort(dim=1, descending=True, stable=True))
    found = found.flatten(1, 3).gather(1, places[..., None].expand(-1, -1, 4))
    kept = suppress(found, torch.ones_like(places, dtype=torch.bool), threshold, pixels=True)
    image, place = (kept & (kept.cumsum(1) <= after)).nonzero(as_tuple=True)
    regions = torch.cat([image[:, None].to(found), found[image, place]], 1)
    return regions if tops == 1 else (regions, best[image, place])
