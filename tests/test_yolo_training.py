"""The losses of MobileNet-YOLO in networks: training, in the fork's own files too, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import netgen  # noqa: E402
from netgen.errors import NetgenError  # noqa: E402
from netgen.mirror import to_torch  # noqa: E402
from tests import yolo_loops  # noqa: E402
from tests.yolo_heads import REGION, YOLO, YOLO_DEFAULTS, mirror, one_box, passed, some_boxes  # noqa: E402


def test_the_gradient_reaches_the_weights_below() -> None:
    net = netgen.Net().input(2, 3, 5, 5).input((2, 12, 5), name="boxes")
    net.conv(27, 1, name="head", bottom="data", bias_term=False)
    net.layer("Yolov3", name="it", bottom=["head", "boxes"], top=["loss"], loss_weight=[0.5], **YOLO)
    made = to_torch(net, "TRAIN").double().train()
    made.fill(seed=1)
    data, boxes = torch.randn(2, 3, 5, 5, dtype=torch.float64), torch.from_numpy(some_boxes(1, 2))
    loss: Any = made.loss(data, boxes)
    loss.backward()
    head = made(data, boxes, blobs=["head"])["head"].detach().numpy()
    value, grad = yolo_loops.Yolo3(head, boxes.numpy(), YOLO_DEFAULTS | YOLO).run()
    assert loss.item() == pytest.approx(0.5 * value)
    weights: Any = next(made.parameters())
    want = 0.5 * np.einsum("nohw,nihw->oi", grad, data.numpy())
    assert np.abs(want).max() > 0.01
    np.testing.assert_allclose(weights.grad[:, :, 0, 0], want, rtol=1e-9, atol=1e-12)


def test_without_values_there_is_a_shape() -> None:
    made = mirror("Yolov3", [(2, 27, 5, 5), (2, 300, 5)], **YOLO)
    assert made(torch.empty(2, 27, 5, 5, device="meta"), torch.empty(2, 300, 5, device="meta")).shape == ()


REFUSED = [
    (
        "RegionLoss",
        [(1, 27, 5, 5), (1, 300, 5)],
        {"biases": [1] * 8, "num": 3},
        "boxes, and 10 values at least .* got 8",
    ),
    (
        "RegionLoss",
        [(1, 27, 5, 5), (1, 300, 5)],
        REGION | {"coords": 5},
        "coords must be 4 for a mirror, as the fork computes with that .* got 5; rem",
    ),
    ("RegionLoss", [(1, 27, 5, 5), (1, 300, 5)], REGION | {"softmax": 0}, "softmax must be 1 for a mirror.* got 0"),
    ("RegionLoss", [(1, 27, 5, 5), (1, 300, 5)], REGION | {"class_map": "a.map"}, "class_map must be '' for a mirror"),
    (
        "Yolov3",
        [(1, 27, 5, 5), (1, 300, 5)],
        YOLO | {"mask": [1, 2]},
        "name num of the 6 pairs of biases, got 1, 2 for",
    ),
    (
        "Yolov3",
        [(1, 27, 5, 5), (1, 300, 5)],
        YOLO | {"mask": [1, 2, 6]},
        "the 6 pairs of biases, got 1, 2, 6 for num=3",
    ),
    ("YoloSeg", [(1, 2, 8, 8)] * 2, {"use_hardsigmoid": True}, "use_hardsigmoid has no mirror, as the fork does not"),
    ("YoloSeg", [(1, 2, 8, 8)] * 2, {"use_logic_gradient": True}, "use_logic_gradient has no mirror, as the fork does"),
]


@pytest.mark.parametrize(("type_", "shapes", "fields", "said"), REFUSED)
def test_fields_that_the_fork_does_not_follow(type_: str, shapes: Any, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(NetgenError, match=rf"layer 'it' \({type_}\): .*{said}"):
        mirror(type_, shapes, **fields)


@pytest.mark.parametrize(
    ("type_", "bottoms", "fields", "said"),
    [
        ("RegionLoss", (np.zeros((1, 27, 5, 4)), np.zeros((1, 2, 5))), REGION, r"must be square and have 3 \(5 \+ 4\) = 27"),
        ("RegionLoss", (np.zeros((1, 24, 5, 5)), np.zeros((1, 2, 5))), REGION, "27 channels, got 1x24x5x5"),
        ("Yolov3", (np.zeros((2, 27, 5, 5)), np.zeros((2, 7))), YOLO, "rows of 5 values for each of the 2 images, got 2x7"),
        ("Yolov3", (np.zeros((1, 27, 5, 5)), one_box(99, 0.5, 0.5, 0.4, 0.2)), YOLO, "labels below the classes"),
        ("Yolov3", (np.zeros((1, 27, 5, 5)), one_box(0, -99.0, 0.5, 0.4, 0.2)), YOLO, "boxes of image 0 must have their cen"),
        ("YoloSeg", (np.zeros((1, 2, 4, 4)), np.zeros((1, 4, 4, 2))), {}, "same batch and channels, got 1x2x4x4 and 1x4x4x2"),
        ("YoloSeg", (np.zeros((1, 2, 4, 4)), np.zeros((1, 2, 4, 4)), np.zeros((1, 3))), {}, "must be 2 for each image, one"),
    ],
)  # fmt: skip
def test_bottoms_that_the_fork_would_read_beyond(type_: str, bottoms: Any, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(NetgenError, match=rf"layer 'it' \({type_}\): .*{said}"):
        passed(type_, bottoms, **fields)


def test_a_box_below_the_last_row_is_one_of_the_next_channel() -> None:
    # The head's last box has none.
    head, boxes = np.zeros((1, 27, 5, 5)), one_box(0, 0.5, 1.0, 9, 9)
    _, grad = passed("Yolov3", (head, boxes), **YOLO | {"mask": [3, 1, 2]})
    assert grad[0, 5, 0, 2] == -0.5
    with pytest.raises(
        NetgenError, match="boxes of image 0 must have their centres in it and labels below the classes"
    ):
        passed("Yolov3", (head, boxes), **YOLO | {"mask": [1, 2, 3]})


FILES = {
    "cityscapes__mobilenet_yolov3_train": {"data": (2, 3, 64, 64), "seg_label": (2, 19, 8, 8)},
    "darknet__darknet19_train": {"data": (2, 3, 64, 64)},
    "darknet_yolov3__yolov3-spp-train": {"data": (2, 3, 64, 64)},
    "mobilenetv1_voc__mobilenet_yolov3_lite_train": {"data": (2, 3, 64, 64)},
    "mobilenetv3_voc__train": {"data": (2, 3, 64, 64)},
    "pelee__train": {"data": (1, 3, 304, 304), "seg_label": (1, 2, 76, 76), "label": (1, 1, 2, 8)},
    "yolov2__mobilenet_yolo_lite_train": {"data": (2, 3, 64, 64)},
    "yolov3_coco__mobilenet_yolov3_lite_train": {"data": (2, 3, 64, 64)},
}


@pytest.mark.parametrize("name", FILES)
def test_a_step_of_training_of_the_forks_own_files(name: str, shared: Path) -> None:
    net = netgen.load(shared / "corpus" / "caffe" / f"eric612__MobileNet-YOLO__models__{name}.prototxt")
    shapes = {"label": (FILES[name]["data"][0], 300, 5), **FILES[name]}
    made = to_torch(net, "TRAIN", shapes).train()
    made.fill(seed=0)
    draw = torch.Generator().manual_seed(0)
    given = {blob: torch.rand(shape, generator=draw) for blob, shape in shapes.items()}
    given["label"] = torch.zeros(shapes["label"])
    if len(shapes["label"]) == 4:
        given["label"][0, 0] = torch.tensor([[0, 1, 0, 0.1, 0.1, 0.5, 0.6, 0], [0, 1, 0, 0.3, 0.3, 0.9, 0.9, 0]])
    else:
        given["label"][:, 0] = torch.tensor([0, 0.4, 0.5, 0.7, 0.5])
    if "seg_label" in given:
        given["seg_label"] = given["seg_label"].round()
    steps = torch.optim.SGD(made.parameters(), lr=1e-4)
    before: Any = made.loss(given)
    before.backward()
    steps.step()
    learned = [each for each in made.parameters() if each.requires_grad]
    assert len(learned) > 60
    grads: list[Any] = [each.grad for each in learned]
    assert all(each is not None and each.isfinite().all() for each in grads)
    # Heads of SSD for which there is no box learn nothing.
    assert sum(bool(each.any()) for each in grads) > 0.9 * len(grads)
    assert made.loss(given).isfinite()
    assert made.loss(given) != before
