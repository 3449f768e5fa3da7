"""Regions against Caffe's loops, written out in numpy (no truth vectors hold these layers)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import netgen  # noqa: E402
from netgen.errors import NetgenError  # noqa: E402
from netgen.mirror import Mirror, to_torch  # noqa: E402

F = np.float32
LOWEST = -np.finfo(F).max
Array = Any


def mirror(type_: str, shapes: list[tuple[int, ...]], tops: int = 1, **fields: Any) -> Mirror:
    net = netgen.Net()
    names = [f"x{i}" for i in range(len(shapes))]
    for name, shape in zip(names, shapes, strict=True):
        net.layer("Input", name=name, shape=[{"dim": shape}])
    return to_torch(net.layer(type_, name="it", bottom=names, top=[f"y{i}" for i in range(tops)], **fields))


def rounded(value: Array) -> int:
    """C's round."""
    return int(math.copysign(math.floor(abs(float(value)) + 0.5), value))


def roi_pool(features: Array, regions: Array, h: int, w: int, scale: float) -> tuple[Array, Array]:
    """The loops of roi_pooling_layer.cpp: the maxima, and the flat places of each."""
    _, channels, height, width = features.shape
    top = np.full((len(regions), channels, h, w), LOWEST, F)
    places = np.full(top.shape, -1)
    for n, region in enumerate(regions):
        x1, y1, x2, y2 = (rounded(F(each) * F(scale)) for each in region[1:])
        each_h, each_w = F(max(y2 - y1 + 1, 1)) / F(h), F(max(x2 - x1 + 1, 1)) / F(w)
        for c, i, j in np.ndindex(channels, h, w):
            ys = (int(np.floor(F(i) * each_h)) + y1, int(np.ceil(F(i + 1) * each_h)) + y1)
            xs = (int(np.floor(F(j) * each_w)) + x1, int(np.ceil(F(j + 1) * each_w)) + x1)
            ys, xs = tuple(min(max(y, 0), height) for y in ys), tuple(min(max(x, 0), width) for x in xs)
            if ys[1] <= ys[0] or xs[1] <= xs[0]:
                top[n, c, i, j] = 0
            for y in range(*ys):
                for x in range(*xs):
                    if features[int(region[0]), c, y, x] > top[n, c, i, j]:
                        top[n, c, i, j] = features[int(region[0]), c, y, x]
                        places[n, c, i, j] = ((int(region[0]) * channels + c) * height + y) * width + x
    return top, places


def some_regions(number: int, size: float) -> Array:
    """Regions of two images, some beyond their borders, some inside out."""
    draw = np.random.default_rng(7)
    corners = draw.uniform(-0.3 * size, 1.3 * size, (number, 4))
    corners[: number // 2] = np.sort(corners[: number // 2].reshape(-1, 2, 2), 1).reshape(-1, 4)
    corners[-1] = [2 * size, 2 * size, 3 * size, 3 * size]
    return np.concatenate([draw.integers(0, 2, (number, 1)), corners], 1).astype(F)


@pytest.mark.parametrize(("h", "w", "size"), [(7, 7, (14, 11)), (3, 2, (37, 50)), (6, 6, (5, 4))])
def test_roi_pooling(h: int, w: int, size: tuple[int, int]) -> None:
    draw = np.random.default_rng(3)
    features = draw.integers(-3, 4, (2, 3, *size)).astype(F)  # whole numbers, so that many are equal
    features[1, 1, :3] = np.nan
    regions = some_regions(40, size[1] / 0.0625)
    want, places = roi_pool(features, regions, h, w, 0.0625)
    module = mirror("ROIPooling", [features.shape, regions.shape], pooled_h=h, pooled_w=w, spatial_scale=0.0625)
    given = torch.from_numpy(features).requires_grad_()
    got = module(given, torch.from_numpy(regions))
    np.testing.assert_array_equal(got.detach().numpy(), want)
    assert (want == 0).any()
    assert (want == LOWEST).any()

    weights = draw.standard_normal(want.shape).astype(F)
    got.backward(torch.from_numpy(weights))
    grads = np.zeros(features.size)
    np.add.at(grads, places[places >= 0], weights[places >= 0])
    np.testing.assert_allclose(given.grad.flatten(), grads, atol=1e-5)


def psroi_cells(region: Array, size: tuple[int, int], group: int, scale: float) -> list[list[tuple[int, int]]]:
    """For y and x the first and last of each cell (psroi_pooling_layer.cu)."""
    spans = []
    for low, high, whole in ((region[2], region[4], size[0]), (region[1], region[3], size[1])):
        start, end = F(rounded(low)) * F(scale), F(rounded(high) + 1.0) * F(scale)
        each = F(max(end - start, F(0.1))) / F(group)
        edges = [(math.floor(F(i) * each + start), math.ceil(F(i + 1) * each + start)) for i in range(group)]
        spans.append([(min(max(a, 0), whole), min(max(b, 0), whole)) for a, b in edges])
    return spans


def test_psroi_pooling() -> None:
    out, group, size, scale = 2, 3, (12, 15), 0.0625
    draw = np.random.default_rng(4)
    features = draw.standard_normal((2, out * group**2, *size)).astype(F)
    regions = some_regions(30, size[0] / scale)
    want, grads = np.zeros((30, out, group, group), F), np.zeros(features.shape)
    weights = draw.standard_normal(want.shape).astype(F)
    for n, region in enumerate(regions):
        rows, columns = psroi_cells(region, size, group, scale)
        for o, i, j in np.ndindex(out, group, group):
            at = (int(region[0]), (o * group + i) * group + j, slice(*rows[i]), slice(*columns[j]))
            if rows[i][0] < rows[i][1] and columns[j][0] < columns[j][1]:
                want[n, o, i, j] = features[at].astype(float).mean()
                grads[at] += weights[n, o, i, j] / features[at].size
    fields: dict[str, Any] = {"output_dim": out, "group_size": group, "spatial_scale": scale}
    module = mirror("PSROIPooling", [features.shape, regions.shape], **fields)
    given = torch.from_numpy(features).requires_grad_()
    got = module(given, torch.from_numpy(regions))
    np.testing.assert_allclose(got.detach(), want, atol=1e-6)
    assert (want == 0).any()
    got.backward(torch.from_numpy(weights))
    np.testing.assert_allclose(given.grad, grads, atol=1e-5)


def anchors(base: int, ratios: list[float], scales: list[float]) -> Array:
    """generate_anchors.py of py-faster-rcnn: the ratios of a box's area, rounded, then the scales of each."""
    found = []
    for ratio in ratios:
        w = np.round(np.sqrt(base * base / ratio))
        h = np.round(w * ratio)
        for scale in scales:
            x, y = 0.5 * (w * scale - 1), 0.5 * (h * scale - 1)
            found.append([0.5 * (base - 1) - x, 0.5 * (base - 1) - y, 0.5 * (base - 1) + x, 0.5 * (base - 1) + y])
    return np.array(found)


def greedy(boxes: Array, most: float) -> list[int]:
    """nms_cpu of the forks: corners belong to their boxes, boxes that are apart do not overlap."""
    kept: list[int] = []
    for i, (x1, y1, x2, y2) in enumerate(boxes):
        for a1, b1, a2, b2 in boxes[kept]:
            w, h = min(x2, a2) - max(x1, a1), min(y2, b2) - max(y1, b1)
            shared = (w + 1) * (h + 1) if w >= 0 and h >= 0 else 0
            if shared / ((x2 - x1 + 1) * (y2 - y1 + 1) + (a2 - a1 + 1) * (b2 - b1 + 1) - shared) > most:
                break
        else:
            kept.append(i)
    return kept


def proposals(scores: Array, deltas: Array, bases: Array, info: Array, fields: dict[str, Any]) -> Array:
    """The steps of proposal_layer.cpp for one image: rows of corners and score."""
    rows = []
    for y, x, k in np.ndindex(*scores.shape[1:], len(bases)):
        x1, y1, x2, y2 = bases[k] + np.array([x, y, x, y]) * fields["feat_stride"]
        dx, dy, dw, dh = deltas[4 * k : 4 * k + 4, y, x]
        w, h = x2 - x1 + 1, y2 - y1 + 1
        cx, cy, w, h = x1 + w / 2 + dx * w, y1 + h / 2 + dy * h, w * np.exp(dw), h * np.exp(dh)
        limit = np.array([info[1], info[0]] * 2) - 1
        box = np.clip([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], 0, limit)
        large = box[2] - box[0] + 1 >= 16 * info[3] and box[3] - box[1] + 1 >= 16 * info[2]
        rows.append([*box, scores[len(bases) + k, y, x] * large])
    ordered = np.array(sorted(rows, key=lambda row: -row[4]))[: fields["pre_nms_topn"]]
    return ordered[greedy(ordered[:, :4], fields["nms_thresh"])][: fields["post_nms_topn"]]


def test_proposal() -> None:
    fields: dict[str, Any] = {
        "ratio": [0.5, 1, 2],
        "scale": [2, 4],
        "feat_stride": 16,
        "pre_nms_topn": 150,
        "post_nms_topn": 40,
    }
    fields["nms_thresh"] = 0.6
    draw = np.random.default_rng(5)
    scores, deltas = draw.random((2, 12, 6, 8)), draw.standard_normal((2, 24, 6, 8)) * 0.5
    info = np.array([[96, 128, 1.2, 1.5]])
    module = mirror("Proposal", [scores.shape, deltas.shape, info.shape], tops=2, **fields)
    got = module(*(torch.from_numpy(each.astype(F)) for each in (scores, deltas, info)))
    bases = anchors(16, [0.5, 1, 2], [2, 4])
    want = [proposals(scores[n], deltas[n], bases, info[0], fields) for n in (0, 1)]
    rows = np.concatenate([np.c_[np.full(len(each), n), each] for n, each in enumerate(want)])
    assert 0 in rows[:, 5] or len(rows) == 80
    np.testing.assert_allclose(got["y0"], rows[:, :5], atol=1e-3)
    np.testing.assert_allclose(got["y1"], rows[:, 5], atol=1e-6)


def test_on_the_meta_device_the_shapes_are_those_after_loading() -> None:
    module = mirror("Proposal", [(2, 18, 14, 14), (2, 36, 14, 14), (1, 3)], 2, ratio=[0.5, 1, 2], scale=[8, 16, 32])
    made = module(*(torch.empty(shape, device="meta") for shape in module.inputs.values()))
    assert [tuple(each.shape) for each in made.values()] == [(600, 5), (600,)]
    assert made["y0"].is_meta


def test_refusals() -> None:
    with pytest.raises(NetgenError, match=r"layer 'it' .*: ratio and scale must give anchors .*: 0 anchors for 18 and"):
        mirror("Proposal", [(1, 18, 4, 4), (1, 36, 4, 4), (1, 3)])
    module = mirror("ROIPooling", [(2, 3, 8, 8), (1, 5)], pooled_h=2, pooled_w=2)
    with pytest.raises(NetgenError, match=r"image of a region must lie in 0\.\.1, the batch of the features, got 2"):
        module(torch.zeros(2, 3, 8, 8), torch.tensor([[2.0, 0, 0, 4, 4]]))
    module = mirror("Proposal", [(1, 2, 4, 4), (1, 4, 4, 4), (1, 2)], ratio=1, scale=8)
    with pytest.raises(NetgenError, match="height, width and scale, got 2 values"):
        module(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, 4), torch.zeros(1, 2))
