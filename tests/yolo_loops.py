"""MobileNet-YOLO's losses as loops over memory, place by place and box by box: what the mirror is held to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Box = tuple[float, float, float, float]


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def edges(box: Box) -> Box:
    x, y, width, height = box
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def overlap(first: Box, second: Box) -> float:
    left, top, right, bottom = edges(first)
    left2, top2, right2, bottom2 = edges(second)
    width, height = min(right, right2) - max(left, left2), min(bottom, bottom2) - max(top, top2)
    shared = 0.0 if width < 0 or height < 0 else width * height
    union = first[2] * first[3] + second[2] * second[3] - shared
    return shared / union if union else math.nan


def measure(first: Box, second: Box, kind: str) -> float:
    left, top, right, bottom = edges(first)
    left2, top2, right2, bottom2 = edges(second)
    width, height = max(right, right2) - min(left, left2), max(bottom, bottom2) - min(top, top2)
    found = overlap(first, second)
    if kind == "GIOU" and width * height:
        shared = (first[2] * first[3] + second[2] * second[3]) * found / (1 + found)
        union = first[2] * first[3] + second[2] * second[3] - shared
        return found - (width * height - union) / (width * height)
    diagonal, apart = width**2 + height**2, (first[0] - second[0]) ** 2 + (first[1] - second[1]) ** 2
    if kind == "DIOU" and diagonal:
        return float(found - (apart / diagonal) ** 0.6)
    if kind == "CIOU" and diagonal:
        shape = (2 / math.pi * (math.atan(second[2] / second[3]) - math.atan(first[2] / first[3]))) ** 2
        return float(found - apart / diagonal - shape * shape / (1 - found + shape + 1e-6))
    return found


def slope(found: Box, truth: Box, kind: str) -> list[float]:
    """The fork's growth of the measure with x, y, width and height."""
    left, top, right, bottom = edges(found)
    left2, top2, right2, bottom2 = edges(truth)
    wide, high = min(right, right2) - max(left, left2), min(bottom, bottom2) - max(top, top2)
    area, own, other = wide * high, found[2] * found[3], truth[2] * truth[3]
    union = own + other - area
    around_w, around_h = max(right, right2) - min(left, left2), max(bottom, bottom2) - min(top, top2)
    around = around_w * around_h
    apart = wide <= 0 or high <= 0
    grown, added = {}, {}
    for name, full, part, inside, out, outside in (
        ("l", -found[3], -high, left > left2, -around_h, left < left2),
        ("t", -found[2], -wide, top > top2, -around_w, top < top2),
        ("r", found[3], high, right < right2, around_h, right > right2),
        ("b", found[2], wide, bottom < bottom2, around_w, bottom > bottom2),
    ):
        shared = part if inside else 0
        joint = full - shared
        grown[name] = (union * shared - area * joint) / union**2 if union > 0 else 0
        added[name] = (around * joint - union * (out if outside else 0)) / around**2
    # The fork's exchange of edges that are not in order reads the second when the first is written.
    grown["l"] = grown["l"] if left < right else grown["r"]
    grown["t"] = grown["t"] if top < bottom else grown["b"]
    if kind == "GIOU":
        grown = {name: added[name] + (0 if apart else grown[name]) for name in grown}
    result = [grown["l"] + grown["r"], grown["t"] + grown["b"], grown["r"] - grown["l"], grown["b"] - grown["t"]]
    if kind not in ("DIOU", "CIOU"):
        return result
    far = (found[0] - truth[0]) ** 2 + (found[1] - truth[1]) ** 2
    diagonal = around_w**2 + around_h**2
    at_left, at_top, at_right, at_bottom = left < left2, top < top2, right > right2, bottom > bottom2
    terms = [
        (2 * (truth[0] - found[0]) * diagonal - 2 * around_w * (at_right - at_left) * far) / diagonal**2,
        (2 * (truth[1] - found[1]) * diagonal - 2 * around_h * (at_bottom - at_top) * far) / diagonal**2,
        2 * around_w * (0.5 * at_right + 0.5 * at_left) * far / diagonal**2,
        2 * around_h * (0.5 * at_bottom + 0.5 * at_top) * far / diagonal**2,
    ]
    if kind == "CIOU":
        turn = math.atan(truth[2] / truth[3]) - math.atan(found[2] / found[3])
        shape = 4 / math.pi**2 * turn**2
        alpha = shape / (1 - area / union + shape + 1e-6)
        terms[2] += alpha * 8 / math.pi**2 * turn * found[3]
        terms[3] -= alpha * 8 / math.pi**2 * turn * found[2]
    return [term if apart else mine + term for mine, term in zip(result, terms, strict=True)]


class Head(NamedTuple):
    """The codes of a head N x B L x H x W, after their sigmoids, and the gradient; in one axis."""

    codes: Array
    diff: Array
    number: int
    length: int
    size: tuple[int, int]
    sides: list[tuple[float, float]]

    def start(self, image: int, box: int, column: int, row: int) -> int:
        height, width = self.size
        return ((image * self.number + box) * self.length) * height * width + row * width + column

    def box(self, start: int, box: int, column: int, row: int, *, bare: bool) -> Box:
        height, width = self.size
        plane = height * width
        x, y, w, h = (float(self.codes[start + each * plane]) for each in range(4))
        x, y = (sigmoid(x), sigmoid(y)) if bare else (x, y)
        side = self.sides[box]
        return (column + x) / width, (row + y) / height, math.exp(w) * side[0], math.exp(h) * side[1]


def rows(boxes: Array, image: int, column: int) -> list[list[float]]:
    found = []
    for row in boxes[image].reshape(-1, 5):
        if row[column] == 0:
            break
        found.append([float(each) for each in row])
    return found


def best(found: Box, truth: Sequence[Sequence[float]], kind: str) -> float:
    """The measure of the row that is most like the box, 0 at least."""
    return max([0.0, *(each for row in truth if (each := measure(found, box_of(row), kind)) > 0)])


def box_of(row: Sequence[float]) -> Box:
    _, x, y, width, height = row
    return x, y, width, height


def region(head: Array, boxes: Array, f: dict[str, Any]) -> tuple[float, Array]:
    """The value and the gradient of a RegionLoss."""
    batch, _, height, width = head.shape
    plane, length = height * width, 5 + f["num_class"]
    sides = [(a / width, b / width) for a, b in zip(f["biases"][::2], f["biases"][1::2], strict=True)][: f["num"]]
    memory = Head(head.flatten().astype(float), np.zeros(head.size), f["num"], length, (height, width), sides)
    for image in range(batch):
        for place, n in np.ndindex(plane, f["num"]):
            row, column = divmod(place, width)
            start = memory.start(image, n, column, row)
            objects = start + 4 * plane
            memory.codes[objects] = chance = sigmoid(memory.codes[objects])
            part = slice(start + 5 * plane, start + length * plane, plane)
            powers = np.exp(memory.codes[part])
            memory.codes[part] = powers / powers.sum()
            missed = best(memory.box(start, n, column, row, bare=True), rows(boxes, image, 1), "IOU") <= f["thresh"]
            memory.diff[objects] = missed * f["noobject_scale"] * chance**2 * (1 - chance)
        for truth in rows(boxes, image, 3):
            _region_box(memory, image, truth, f)
    return float((memory.diff**2).sum()) / batch, memory.diff.reshape(head.shape) / batch


def _region_box(memory: Head, image: int, truth: list[float], f: dict[str, Any]) -> None:
    label, x, y, w, h = truth
    (height, width), codes, diff = memory.size, memory.codes, memory.diff
    plane, column, row = height * width, int(x * width), int(y * height)
    most, start, mine = 0.0, 0, 0
    for n in range(f["num"]):
        at = memory.start(image, n, column, row)
        like = memory.sides[n] if f["bias_match"] else memory.box(at, n, column, row, bare=True)[2:]
        found = overlap((0, 0, *like), (0, 0, w, h))
        if found > most:
            most, start, mine = found, at, n
    scale = f["coord_scale"] * (1 if f["rescore"] else 2 - w * h)
    for at, want in ((start, x * width - column), (start + plane, y * width - row)):
        chance = sigmoid(codes[at])
        diff[at] = -scale * (want - chance) * chance * (1 - chance)
    for each, want in ((2, w / memory.sides[mine][0]), (3, h / memory.sides[mine][1])):
        wanted = -math.inf if want == 0 else math.log(want) if want > 0 else math.nan
        diff[start + each * plane] = -scale * (wanted - codes[start + each * plane])
    chance = codes[start + 4 * plane]
    aim = overlap(memory.box(start, mine, column, row, bare=True), (x, y, w, h)) if f["rescore"] else 1
    diff[start + 4 * plane] = -f["object_scale"] * (aim - chance) * chance * (1 - chance)
    for c in range(f["num_class"]):
        at = start + (5 + c) * plane
        diff[at] = -f["class_scale"] * ((c == int(label)) - codes[at])


class Yolo3:
    """The passes of a Yolov3."""

    def __init__(self, head: Array, boxes: Array, f: dict[str, Any]) -> None:
        self.head, self.boxes, self.f = head, boxes, f
        self.kind, self.mask = f["iou_loss"], f["mask"]
        height, width = head.shape[2:]
        self.plane = height * width
        scale = f["anchors_scale"]
        pairs = zip(f["biases"][::2], f["biases"][1::2], strict=True)
        self.sides = [(a / (width * scale), b / (height * scale)) for a, b in pairs]
        mine = [self.sides[each] for each in self.mask]
        codes, diff = head.flatten().astype(float), np.zeros(head.size)
        self.memory = Head(codes, diff, f["num"], 5 + f["num_class"], (height, width), mine)
        self.missing: list[float] = []

    def run(self) -> tuple[float, Array]:
        """The value and the gradient."""
        for image in range(len(self.head)):
            self.places(image)
            for truth in rows(self.boxes, image, 3):
                self.truth(image, truth)
        codes, batch = self.memory.codes, len(self.head)
        diff = self.memory.diff.reshape(batch, self.f["num"], -1, self.plane)
        total = float((diff**2).sum())
        if self.kind != "MSE":
            missing = self.f["iou_normalizer"] * sum(self.missing) / max(len(self.missing), 1)
            total = float((diff[:, :, 4:] ** 2).sum()) + missing
        if self.f["use_logic_gradient"]:
            raw = (self.head if self.kind != "MSE" else codes).reshape(diff.shape)
            diff[:, :, :2] *= raw[:, :, :2] * (1 - raw[:, :, :2])
            diff[:, :, 4:] *= (codes * (1 - codes)).reshape(diff.shape)[:, :, 4:]
        return total / batch, diff.reshape(self.head.shape) / batch

    def places(self, image: int) -> None:
        """All boxes of the head as if there were nothing, but for those that are like the truth."""
        memory = self.memory
        for place, n in np.ndindex(self.plane, self.f["num"]):
            row, column = divmod(place, memory.size[1])
            start = memory.start(image, n, column, row)
            for c in (0, 1, *range(4, memory.length)):
                memory.codes[start + c * self.plane] = sigmoid(memory.codes[start + c * self.plane])
            found, truth = memory.box(start, n, column, row, bare=False), rows(self.boxes, image, 1)
            most = best(found, truth, self.kind)
            objects = start + 4 * self.plane
            memory.diff[objects] = memory.codes[objects] if most <= self.f["thresh"] else 0
            if most > 1:
                same = next(each for each in truth if measure(found, box_of(each), self.kind) == most)
                self.match(image, n, (column, row), same, 1)
                self.missing.pop()

    def truth(self, image: int, truth: Sequence[float]) -> None:
        """The best anchor and the others that are good enough."""
        height, width = self.memory.size
        at, floor = (int(truth[1] * width), int(truth[2] * height)), self.f["iou_thresh"]
        scale = self.f["object_scale"] if self.f["use_logic_gradient"] else 1
        likes = [measure((0, 0, *side), (0, 0, truth[3], truth[4]), self.kind) for side in self.sides]
        first = max(range(len(likes)), key=lambda n: (likes[n], -n)) if max(likes) > 0 else -1
        if first in self.mask:
            first = self.mask.index(first)
            self.match(image, first, at, truth, scale)
        for n, like in enumerate(likes):
            if n in self.mask and n != first and like > floor and floor < 1:
                self.match(image, self.mask.index(n), at, truth, scale)

    def match(self, image: int, n: int, at: tuple[int, int], truth: Sequence[float], scale: float) -> None:
        """One box of the head for one of the truth."""
        (column, row), (label, x, y, w, h) = at, truth
        memory, plane, f = self.memory, self.plane, self.f
        (height, width), codes, diff = memory.size, memory.codes, memory.diff
        start, side = memory.start(image, n, column, row), memory.sides[n]
        found = memory.box(start, n, column, row, bare=False)
        if self.kind == "MSE":
            wanted = (x * width - column, y * height - row, math.log(w / side[0]), math.log(h / side[1]))
            for each, want in enumerate(wanted):
                diff[start + each * plane] = -f["coord_scale"] * (2 - w * h) * (want - codes[start + each * plane])
        else:
            for each, grown in enumerate(slope(found, (x, y, w, h), self.kind)):
                place = start + each * plane
                moved = f["iou_normalizer"] * grown * (math.exp(codes[place]) if each > 1 else 1)
                diff[place] = f["accumulate"] * diff[place] - max(-f["max_delta"], min(moved, f["max_delta"]))
        diff[start + 4 * plane] = -scale * (1 - codes[start + 4 * plane])
        self.classes(start + 5 * plane, int(label))
        self.missing.append(1 - measure(found, (x, y, w, h), self.kind if self.kind in ("GIOU", "CIOU") else "DIOU"))

    def classes(self, start: int, label: int) -> None:
        """The classes of a match; where it had some, the label's alone."""
        codes, diff, f = self.memory.codes, self.memory.diff, self.f
        own, soft = start + label * self.plane, f["label_smooth_eps"]
        if diff[own]:
            diff[own] = -f["class_scale"] * (1 - soft / 2 - codes[own])
            return
        p = codes[own]
        focus = -(1 - p) * (2 * p * math.log(p) + p - 1) / 2
        for c in range(f["num_class"]):
            at = start + c * self.plane
            if f["use_focal_loss"]:
                diff[at] = -f["class_scale"] * ((c == label) - codes[at]) * focus
            else:
                diff[at] = -f["class_scale"] * ((c == label) * (1 - soft) + soft / 2 - codes[at])


def segmentation(head: Array, targets: Array, weights: Array | None, object_scale: float) -> tuple[float, Array]:
    """The value and the gradient of a YoloSeg."""
    diff = np.zeros_like(head)
    batch, _, height, width = head.shape
    for n, c, y, x in np.ndindex(*head.shape):
        scale = object_scale
        if weights is not None and targets[n, c, y, x] > 0.5:
            mine = sum(weights[:, c])
            scale *= 2 - mine / (len(weights) * height * width - mine)
        diff[n, c, y, x] = scale * (sigmoid(float(head[n, c, y, x])) - targets[n, c, y, x])
    return float((diff**2).sum()) / batch, diff / batch
