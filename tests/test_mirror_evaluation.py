"""DetectionEvaluate: claims of several detections, and boxes in pixels of images whose sizes a file lists."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from netgen.errors import NetgenError
from tests.test_mirror_detection import mirror

torch = pytest.importorskip("torch")

if TYPE_CHECKING:
    from pathlib import Path


def test_detection_evaluate_of_difficult_boxes_and_of_several_claims() -> None:
    truth = torch.tensor([[0, 1, 0, 0, 0, 0.5, 0.5, 0], [0, 1, 0, 0.5, 0.5, 1, 1, 1], [0, 2, 0, 0, 0, 1, 1, 0]])
    rows = [
        [0, 1, 0.5, 0, 0, 0.5, 0.5],
        [0, 1, 0.9, 0, 0, 0.5, 0.52],
        [0, 1, 0.3, 0.5, 0.5, 1, 1],
        [1, 2, 0.4, 0, 0, 1, 1],
    ]
    given = torch.tensor([*rows, [0, -1, -1, -1, -1, -1, -1]])
    shapes = [(1, 1, 5, 7), (1, 1, 3, 8)]
    for difficult, boxes, last in ((True, 2, [1, 0]), (False, 1, [0, 0])):
        module = mirror("DetectionEvaluate", shapes, num_classes=3, evaluate_difficult_gt=difficult)
        got = module(given[None, None], truth[None, None])[0, 0]
        want = [
            [-1, 1, boxes, -1, -1], [-1, 2, 1, -1, -1],
            [0, 1, 0.9, 1, 0], [0, 1, 0.5, 0, 1], [0, 1, 0.3, *last], [1, 2, 0.4, 0, 1],
        ]  # fmt: skip
        torch.testing.assert_close(got, torch.tensor(want))


SHAPES = [(1, 1, 1, 7), (1, 1, 1, 8)]

# In an image 200 wide and 100 high: corners 20, 10 and 40, 20, which are 21 x 11 pixels, and 20, 10 and 30, 20, which
# are 11 x 11 of them: 121 / 231 = 0.524 is shared. As fractions, and in large images, it is a half.
BOX, HALF = [0.1, 0.1, 0.2, 0.2], [0.1, 0.1, 0.15, 0.2]


def evaluated(module: Any, found: list[Any], truth: list[Any]) -> list[Any]:
    """Of detections and boxes by image, whether each detection, of label 1, is true."""
    rows = torch.tensor([[[[image, 1, 0.9, *box] if box else [image, *[-1] * 6] for image, box in found]]])
    boxes = torch.tensor([[[[image, 1, 0, *box, 0] for image, box in truth]]])
    top = module(rows.float(), boxes.float())[0, 0]
    assert top[0].tolist() == [-1, 1, len(truth), -1, -1]
    return [bool(row[3]) for row in top[1:]]


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "sizes.txt").write_text("small 100 200\nlarge 100000 200000\n\nsmall2  100\t200\n")
    monkeypatch.chdir(tmp_path)
    return "sizes.txt"


def named(name: str, **fields: Any) -> Any:
    return mirror("DetectionEvaluate", SHAPES, num_classes=2, overlap_threshold=0.51, name_size_file=name, **fields)


def test_boxes_are_compared_in_pixels_of_their_images(listed: str) -> None:
    found = [(image, HALF) for image in (3, 5, 8)]
    truth = [(image, BOX) for image in (8, 5, 3)]
    assert evaluated(named(""), found, truth) == [False] * 3
    module = named(listed)
    assert evaluated(module, found, truth) == [True, False, True]


def test_images_with_detections_take_the_sizes_in_turn_also_from_one_pass_to_the_next(listed: str) -> None:
    module = named(listed)
    other = copy.deepcopy(module)
    seen = [evaluated(module, [(0, HALF)], [(0, BOX), (1, BOX)]) for _ in range(5)]  # image 1 has none
    assert seen == [[True], [False], [True], [True], [False]]
    assert evaluated(other, [(0, HALF)], [(0, BOX)]) == [True]
    module.reset()
    assert evaluated(module, [(0, None), (1, HALF)], [(1, BOX)]) == [False]  # a row of an image with nothing found
    assert evaluated(module, [(-1, None)], [(0, BOX)]) == []  # nor is that an image
    assert evaluated(module, [(0, HALF)], [(0, BOX)]) == [True]


@pytest.mark.parametrize(
    ("resize", "box", "half", "shared"),
    [
        ({"resize_mode": "WARP"}, BOX, HALF, 121 / 231),
        # 300 x 300 with the image, 300 x 150, in the middle: y from 0.25 to 0.75
        ({"resize_mode": "FIT_LARGE_SIZE_AND_PAD"}, [0.1, 0.3, 0.2, 0.35], [0.1, 0.3, 0.15, 0.35], 121 / 231),
        # in the pads alone a box stays as it is: corners 20, 90 and 40, 100
        ({"resize_mode": "FIT_LARGE_SIZE_AND_PAD"}, [0.1, 0.9, 0.2, 1.0], [0.1, 0.9, 0.15, 1.0], 121 / 231),
        ({"resize_mode": "FIT_SMALL_SIZE"}, BOX, HALF, 121 / 231),
        # scaled by what is given, clipped to the image, and then with areas of 20 x 10 and 10 x 10
        ({"resize_mode": "FIT_SMALL_SIZE", "height_scale": 50, "width_scale": 100}, [0.2, 0.2, 0.4, 0.4],
         [0.2, 0.2, 0.3, 0.4], 121 / (200 + 100 - 121)),
        ({"resize_mode": "FIT_SMALL_SIZE", "height_scale": 500, "width_scale": 500}, [0.3, 0.1, 0.9, 0.2],
         [0.35, 0.1, 0.9, 0.2], 26 * 51 / (50 * 50 + 25 * 50 - 26 * 51)),
    ],
)  # fmt: skip
def test_boxes_go_back_to_the_image_as_it_came_to_the_network(
    listed: str, resize: dict[str, Any], box: list[float], half: list[float], shared: float
) -> None:
    for over, true in ((-0.001, True), (0.001, False)):
        module = mirror(
            "DetectionEvaluate", SHAPES, num_classes=2, overlap_threshold=shared + over, name_size_file=listed,
            resize_param={"height": 300, "width": 300, **resize},
        )  # fmt: skip
        assert evaluated(module, [(0, half)], [(0, box)]) == [true]
    assert evaluated(named(listed, resize_param={"height": 300, "width": 600}), [(0, HALF)], [(0, BOX)]) == [True]
    # 600 x 300 has the form of the image: no pads
    fitting = {"height": 300, "width": 600, "resize_mode": "FIT_LARGE_SIZE_AND_PAD"}
    assert evaluated(named(listed, resize_param=fitting), [(0, HALF)], [(0, BOX)]) == [True]


def test_points_that_do_not_meet_are_one_to_caffe(listed: str) -> None:
    point, other = [0.1] * 4, [0.5] * 4
    assert evaluated(named(listed), [(0, point)], [(0, other)]) == [True]
    assert evaluated(named(listed), [(0, [0.1, 0.1, 0.2, 0.1])], [(0, other)]) == [False]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "absent.txt: no such file; {way}, and without it boxes are compared as fractions"),
        ("a.jpg 3 4\nb c.jpg 3 4", "absent.txt: {way}; got 'b c.jpg 3' for image 2"),
        ("a.jpg 3 4 b.jpg 3", "absent.txt: {way}; got 'b.jpg 3' for image 2"),
        ("a.jpg 0 4", "absent.txt: {way}; got 'a.jpg 0 4' for image 1"),
    ],
)
def test_a_file_of_sizes_that_cannot_be_read(content: str | None, said: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    module = named("absent.txt")  # is asked for when it runs
    if content is not None:
        (tmp_path / "absent.txt").write_text(content)
    with pytest.raises(NetgenError) as caught:
        evaluated(module, [(0, HALF)], [(0, BOX)])
    way = "it lists name, height and width of each image, and is looked for from the current folder"
    assert str(caught.value) == f"layer 'it' (DetectionEvaluate): name_size_file: {said.format(way=way)}"


def test_an_empty_file_of_sizes_is_as_none_and_a_resize_needs_its_size(listed: str, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    assert evaluated(named("empty.txt"), [(0, HALF)], [(0, BOX)]) == [False]
    with pytest.raises(NetgenError, match=r"resize_param must give height and width, got 0 and 300"):
        evaluated(named(listed, resize_param={"width": 300}), [(0, HALF)], [(0, BOX)])
