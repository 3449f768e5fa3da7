"""R-FCN's choice of the boxes to learn from."""

from __future__ import annotations

import torch
from torch import Tensor

from netgen.errors import NetgenError
from netgen.layers.base import legacy_shape
from netgen.mirror.function import has_values


@torch.no_grad()
def annotate_boxes(
    boxes: Tensor, losses: Tensor, labels: Tensor, weights: Tensor, *, roi_per_img: int, ignore_label: int
) -> tuple[Tensor, Tensor]:
    """The labels and weights of those ``roi_per_img`` boxes of each image that cost most (box_annotator_ohem_layer.cu).

    All others get ``ignore_label`` and 0; N x 1 x H x W and N x C x H x W. Of equal losses the first count, which Caffe
    leaves to std::sort. No gradient.
    """
    number, _, height, width = legacy_shape(tuple(boxes.shape))
    images = boxes.reshape(number, 5, -1)[:, 0].flatten().long()
    _check_images(images)
    order = losses.flatten().argsort(descending=True, stable=True)
    grouped, places = images[order].sort(stable=True)
    ranks = torch.arange(len(grouped), device=grouped.device) - torch.searchsorted(grouped, grouped)
    kept = torch.zeros_like(images, dtype=torch.bool).scatter_(0, order[places], ranks < roi_per_img)
    kept = kept.reshape(number, 1, height, width)
    chosen = torch.where(kept, labels.reshape(kept.shape), float(ignore_label))
    return chosen, torch.where(kept, weights.reshape(legacy_shape(tuple(weights.shape))), 0.0)


def _check_images(images: Tensor) -> None:
    """Raise NetgenError for an image before the first, where Caffe writes to foreign memory."""
    if has_values(images) and int(images.min()) < 0:
        raise NetgenError(f"the image of each box, its first value, must be 0 or more, got {int(images.min())}")
