"""MultiBoxLoss against the loops of bbox_util.cpp and multibox_loss_layer.cpp, for fields that no truth vector has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import netgen  # noqa: E402
from netgen.errors import NetgenError  # noqa: E402
from netgen.mirror import Mirror, to_torch  # noqa: E402

Array = Any
DEFAULTS: dict[str, Any] = {
    "share_location": True, "match_type": "PER_PREDICTION", "overlap_threshold": 0.5, "use_prior_for_matching": True,
    "background_label_id": 0, "code_type": "CORNER", "encode_variance_in_target": False, "bp_inside": False,
    "ignore_cross_boundary_bbox": False, "mining_type": "MAX_NEGATIVE", "conf_loss_type": "SOFTMAX", "loc_weight": 1.0,
    "neg_pos_ratio": 3.0, "neg_overlap": 0.5, "loc_loss_type": "SMOOTH_L1", "map_object_to_agnostic": False,
    "use_difficult_gt": True, "sample_size": 64,
}  # fmt: skip


def jaccard(a: Array, b: Array) -> float:
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return float(w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h))


def encode(box: Array, prior: Array, code_type: str) -> Array:
    size = np.array([prior[2] - prior[0], prior[3] - prior[1]])
    if code_type == "CORNER":
        return box - prior
    if code_type == "CORNER_SIZE":
        return (box - prior) / np.tile(size, 2)
    middle, own = (box[:2] + box[2:]) / 2 - (prior[:2] + prior[2:]) / 2, box[2:] - box[:2]
    return np.concatenate([middle / size, np.log(own / size)])


def decode(code: Array, prior: Array, code_type: str) -> Array:
    size = np.array([prior[2] - prior[0], prior[3] - prior[1]])
    if code_type == "CORNER":
        return prior + code
    if code_type == "CORNER_SIZE":
        return prior + code * np.tile(size, 2)
    middle, own = code[:2] * size + (prior[:2] + prior[2:]) / 2, np.exp(code[2:]) * size
    return np.concatenate([middle - own / 2, middle + own / 2])


def match(found: Array, boxes: list[Array], which: list[int], f: dict[str, Any]) -> tuple[list[int], list[float]]:
    """MatchBBox."""
    indices, most = [-1] * len(found), [0.0] * len(found)
    shared = {}
    for i, box in enumerate(found):
        if f["ignore_cross_boundary_bbox"] and ((box < 0).any() or (box > 1).any()):
            indices[i] = -2
            continue
        for j in which:
            value = jaccard(box, boxes[j])
            if value > 1e-6:
                shared[i, j] = value
                most[i] = max(most[i], value)
    pool = list(which)
    while pool:
        pairs = [(i, j) for i, j in shared if j in pool and indices[i] == -1]
        if not pairs:
            break
        i, j = max(pairs, key=lambda pair: shared[pair])
        indices[i] = j
        pool.remove(j)
    if f["match_type"] == "PER_PREDICTION":
        for i in range(len(found)):
            pairs = [(k, j) for k, j in shared if k == i and shared[k, j] >= f["overlap_threshold"]]
            if indices[i] == -1 and pairs:
                indices[i] = max(pairs, key=lambda pair: shared[pair])[1]
    return indices, most


def class_loss(row: Array, targets: Any, f: dict[str, Any]) -> float:
    if f["conf_loss_type"] == "SOFTMAX":
        return float(np.log(np.exp(row - row.max()).sum()) + row.max() - row[targets])
    return float((np.maximum(row, 0) - row * targets + np.log1p(np.exp(-np.abs(row)))).sum())


def image_matches(loc: Array, priors: Array, var: Array, boxes: list[Array], labels: list[int], f: Any) -> Any:
    """FindMatches for one image: label -> indices and overlaps."""
    heads = [-1] if f["share_location"] else [c for c in range(loc.shape[1]) if c != f["background_label_id"]]
    found = {}
    for c in heads:
        if f["use_prior_for_matching"]:
            indices, most = match(priors, boxes, list(range(len(boxes))), f)
            if c >= 0:
                indices = [i if i > -1 and labels[i] == c else -1 for i in indices]
        else:
            v = np.ones(4) if f["encode_variance_in_target"] else var
            moved = [decode(v * loc[p, max(c, 0)], prior, f["code_type"]) for p, prior in enumerate(priors)]
            indices, most = match(moved, boxes, [j for j, label in enumerate(labels) if c in (-1, label)], f)
        found[c] = (indices, most)
    return found


def place_loss(loc: Array, prior: Array, var: Array, box: Array, f: dict[str, Any]) -> float:
    """EncodeLocPrediction and the loss of one match."""
    v = np.ones(4) if f["encode_variance_in_target"] else var
    want, code = encode(box, prior, f["code_type"]) / v, loc.copy()
    if f["bp_inside"]:
        inside = prior if f["use_prior_for_matching"] else decode(v * loc, prior, f["code_type"])
        code = np.where((inside < 0) | (inside > 1), want, code)
    if f["encode_variance_in_target"]:
        want, code = want / var, code / var
    d = np.abs(code - want)
    return float((d**2 / 2 if f["loc_loss_type"] == "L2" else np.where(d < 1, d**2 / 2, d - 0.5)).sum())


def mined(conf: Array, places: dict[int, float], own: dict[int, int], found: Any, f: dict[str, Any]) -> list[int]:
    """MineHardExamples for one image: the priors that are picked."""
    indices, most = found
    losses, hard = [], f["mining_type"] == "HARD_EXAMPLE"
    for p, row in enumerate(conf):
        label = own.get(p, f["background_label_id"])
        target = label if f["conf_loss_type"] == "SOFTMAX" else (np.arange(len(row)) == label).astype(float)
        losses.append(class_loss(row, target, f) + (places.get(p, 0.0) if hard else 0.0))
    eligible = [p for p in range(len(conf)) if hard or (indices[p] == -1 and most[p] < f["neg_overlap"])]
    wanted = f["sample_size"] if hard else int(len(own) * f["neg_pos_ratio"])
    return sorted(eligible, key=lambda p: -losses[p])[:wanted] if f["mining_type"] != "NONE" else []


def image_loss(loc: Array, conf: Array, priors: Array, var: Array, rows: Array, f: Any, targets: Array) -> Any:
    """The place losses, the class losses and the matches of one image; ``targets`` are LOGISTIC's without mining."""
    boxes, labels, background = [row[3:7] for row in rows], [int(row[1]) for row in rows], f["background_label_id"]
    soft, mines = f["conf_loss_type"] == "SOFTMAX", f["mining_type"] != "NONE"
    label_of, place, total, matched = {}, 0.0, 0.0, 0
    for c, found in (image_matches(loc, priors, var, boxes, labels, f) if len(rows) else {}).items():
        own = {p: labels[i] for p, i in enumerate(found[0]) if i > -1}
        places = {p: place_loss(loc[p, max(c, 0)], priors[p], var, boxes[found[0][p]], f) for p in own}
        chosen = mined(conf, places, own, found, f)
        hits = [p for p in own if f["mining_type"] != "HARD_EXAMPLE" or p in chosen]
        place, matched = place + sum(places[p] for p in hits), matched + len(hits)
        for p in [*hits, *(p for p in chosen if found[0][p] == -1)]:
            label = (background + 1 if f["map_object_to_agnostic"] else own[p]) if p in hits else background
            one = np.full(conf.shape[1], float(background))
            if label >= 0:
                one[label] = targets[p * conf.shape[1] + label] = 1
            label_of[p] = label
            total += class_loss(conf[p], label if soft else one, f) if mines else 0
    if soft and not mines:
        total = sum(class_loss(row, label_of.get(p, background), f) for p, row in enumerate(conf))
    return place, total, matched


def caffe(loc: Array, conf: Array, priors: Array, var: Array, gt: Array, f: dict[str, Any], mode: str) -> float:
    """The loss by Caffe's loops; loc N P L 4, conf N P C, priors P 4, gt G 8."""
    targets = np.full(conf.size, float(f["background_label_id"]))
    kept = gt[(gt[:, 7] == 0) | f["use_difficult_gt"]]
    parts = np.zeros(3)
    for n in range(len(loc)):
        # The targets of the next image begin too early, behind as many values as there are priors.
        begin = targets[n * len(priors) :]
        parts += image_loss(loc[n], conf[n], priors, var, kept[kept[:, 0] == n], f, begin)
    if f["mining_type"] == "NONE" and f["conf_loss_type"] == "LOGISTIC":
        parts[1] = class_loss(conf.ravel(), targets, f)
    divisor = {"VALID": parts[2], "BATCH_SIZE": len(loc), "FULL": len(loc) * len(priors), "NONE": 1}[mode]
    return float((f["loc_weight"] * parts[0] + parts[1]) / max(divisor, 1))


def problem(seed: int, heads: int, classes: int, number: int = 24) -> tuple[Array, ...]:
    """Locations, scores, priors of which some reach beyond the image, variances, and boxes of images 0 and 1 of 3."""
    draw = np.random.default_rng(seed)
    middle, half = draw.random((number, 2)), draw.uniform(0.06, 0.25, (number, 2))
    priors = np.concatenate([middle - half, middle + half], 1)
    low, size = draw.uniform(0, 0.6, (5, 2)), draw.uniform(0.1, 0.35, (5, 2))
    ids, labels = [0, 0, 1, 0, 1], draw.integers(1, classes, 5)
    gt = np.c_[ids, labels, np.zeros(5), low, low + size, [0, 1, 0, 0, 0]]
    loc, conf = draw.standard_normal((3, number, heads, 4)), draw.standard_normal((3, number, classes)) * 2
    return loc * 0.5, conf, priors, np.array([0.1, 0.15, 0.2, 0.25]), gt


def built(loc: Array, conf: Array, number: int, mode: str, **fields: Any) -> Mirror:
    net = netgen.Net()
    shapes = ((3, loc[0].size), (3, conf[0].size), (1, 2, 4 * number), (1, 1, 5, 8))
    for name, shape in zip("lcpg", shapes, strict=True):
        net.layer("Input", name=name, shape=[{"dim": shape}])
    net.layer("MultiBoxLoss", name="it", bottom=list("lcpg"), top=["y"], **fields, loss_param={"normalization": mode})
    return to_torch(net, "TRAIN")


VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("VALID", {"code_type": "CENTER_SIZE", "use_difficult_gt": False}),
    ("FULL", {"code_type": "CORNER_SIZE", "encode_variance_in_target": True, "loc_loss_type": "L2"}),
    ("NONE", {"code_type": "CORNER", "bp_inside": True, "encode_variance_in_target": True}),
    (
        "NONE",
        {"code_type": "CENTER_SIZE", "bp_inside": True, "use_prior_for_matching": False, "overlap_threshold": 0.3},
    ),
    ("VALID", {"ignore_cross_boundary_bbox": True, "match_type": "BIPARTITE", "neg_overlap": 0.2}),
    ("NONE", {"conf_loss_type": "LOGISTIC", "mining_type": "NONE"}),
    ("NONE", {"conf_loss_type": "LOGISTIC", "neg_pos_ratio": 1.7, "loc_weight": 0.3}),
    ("BATCH_SIZE", {"conf_loss_type": "LOGISTIC", "background_label_id": 4294967295, "neg_pos_ratio": 2}),
    ("VALID", {"mining_type": "HARD_EXAMPLE", "sample_size": 7, "code_type": "CENTER_SIZE"}),
    ("NONE", {"share_location": False, "mining_type": "NONE", "overlap_threshold": 0.3}),
    ("NONE", {"share_location": False, "mining_type": "NONE", "use_prior_for_matching": False}),
    ("NONE", {"map_object_to_agnostic": True, "num_classes": 2}),
]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("mode", "given"), VARIANTS, ids=lambda each: "-".join(each) if isinstance(each, dict) else each
)
def test_a_variant(mode: str, given: dict[str, Any], seed: int) -> None:
    fields = {"num_classes": 4, **given}
    whole = DEFAULTS | fields | {"background_label_id": -1 if "background_label_id" in given else 0}
    loc, conf, priors, var, gt = problem(seed, 1 if whole["share_location"] else 4, fields["num_classes"])
    want = caffe(loc, conf, priors, var, gt, whole, mode)

    module = built(loc, conf, len(priors), mode, **fields)
    blob = np.stack([priors.ravel(), np.tile(var, len(priors))])[None]
    inputs = [torch.from_numpy(each).requires_grad_() for each in (loc.reshape(3, -1), conf.reshape(3, -1), blob)]
    got = module.double()(*inputs, torch.from_numpy(gt)[None, None])
    assert got.shape == ()
    assert want > 0.1
    assert got.item() == pytest.approx(want, rel=1e-6)  # neg_pos_ratio and the like are floats

    got.backward()
    assert inputs[2].grad is None
    step = 1e-6
    for which in (0, 1):
        flat = inputs[which].grad.flatten()
        at = int(flat.abs().argmax())
        moved = (loc.copy(), conf.copy())
        moved[which].ravel()[at] += step
        slope = (caffe(moved[0], moved[1], priors, var, gt, whole, mode) - want) / step
        assert flat[at].item() == pytest.approx(slope, rel=1e-3)


def test_only_what_is_propagated_is_added() -> None:
    loc, conf, priors, var, gt = problem(0, 1, 4)
    blob = np.stack([priors.ravel(), np.tile(var, len(priors))])[None]
    inputs = [torch.from_numpy(each) for each in (loc.reshape(3, -1), conf.reshape(3, -1), blob, gt[None, None])]
    parts = []
    for flags in ([True, True], [True, False], [False, True]):
        module = built(loc, conf, len(priors), "VALID", num_classes=4, propagate_down=[*flags, False, False])
        parts.append(module(*inputs).item())
    assert parts[0] == pytest.approx(parts[1] + parts[2])
    assert min(parts) > 0


def test_it_counts_in_the_loss_and_runs_on_the_meta_device() -> None:
    loc, conf, priors, _, _ = problem(0, 1, 4)
    module = built(loc, conf, len(priors), "VALID", num_classes=4)
    made = module.loss(*(torch.empty(shape, device="meta") for shape in module.inputs.values()))
    assert made.is_meta
    assert made.shape == ()


@pytest.mark.parametrize("label", [0, 4, -1])
def test_labels_that_are_none(label: int) -> None:
    loc, conf, priors, var, gt = problem(0, 1, 4)
    gt[0, 1] = label
    blob = np.stack([priors.ravel(), np.tile(var, len(priors))])[None]
    inputs = [torch.from_numpy(each) for each in (loc.reshape(3, -1), conf.reshape(3, -1), blob, gt[None, None])]
    module = built(loc, conf, len(priors), "VALID", num_classes=4)
    with pytest.raises(NetgenError, match=rf"layer 'it' .*: the labels of the ground truth .*0\.\.3 .*got {label}$"):
        module(*inputs)


def test_a_flat_prior() -> None:
    loc, conf, priors, var, gt = problem(0, 1, 4)
    priors[:, 3] = priors[:, 1]
    blob = np.stack([priors.ravel(), np.tile(var, len(priors))])[None]
    inputs = [torch.from_numpy(each) for each in (loc.reshape(3, -1), conf.reshape(3, -1), blob, gt[None, None])]
    fields = {"num_classes": 4, "code_type": "CENTER_SIZE", "use_prior_for_matching": False}
    with pytest.raises(NetgenError, match=r"every prior must be wider and higher than 0, got one of width .* height 0"):
        built(loc, conf, len(priors), "VALID", **fields)(*inputs)
