"""Boxes: priors, proposals, decoding, matching, evaluation.

What all but PriorBox compute hangs on the values (how many boxes are found, match, overlap): it is not counted.

Longer than other modules: these types have many fields, which their modules are given one by one.
"""

from __future__ import annotations

import math
import struct
from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netgen.errors import NetgenError
from netgen.layers.base import LayerType, Shape, declared, legacy_shape, refuse_empty, text
from netgen.layers.checks import check_batch, check_singles, listed, require

if TYPE_CHECKING:
    from torch.nn import Module

NO_LABEL = 2**32 - 1
"""-1, as the unsigned background_label_id holds it."""


def prior_ratios(aspect_ratio: Sequence[float], *, flip: bool = True) -> list[float]:
    """The aspect ratios that a PriorBox makes of those given, in Caffe's arithmetic, that of floats.

    1 comes first; one that is within 1e-6 of an earlier one adds none, not even its inverse.

    >>> prior_ratios([2, 1, 2])
    [1.0, 2.0, 0.5]
    """
    ratios, ordered = [1.0], [1.0]
    for ratio in map(_float32, aspect_ratio):
        place = bisect_left(ordered, ratio)
        if any(abs(_float32(ratio - known)) < 1e-6 for known in ordered[max(place - 1, 0) : place + 1]):
            continue
        for each in (ratio, _float32(1 / ratio) if ratio else math.copysign(math.inf, ratio))[: 1 + flip]:
            ratios.append(each)
            if not math.isnan(each):
                insort(ordered, each)
    return ratios


class PriorBox(LayerType):
    """The default boxes of each position of a feature map, and their variances.

    Bottoms: the feature map, H x W, and the image, whose size Caffe reads in the forward pass unless ``img_size`` or
    ``img_h`` and ``img_w`` are given. The top is 1 x 2 x 4 H W P, whatever the batch, with P boxes a position:
    ``min_size`` times the aspect ratios, and one for each ``max_size``. The ratios are 1, and each ``aspect_ratio``
    with its inverse (``flip``, true) that is not within 1e-6 of one that is there already. flops: 8 a box (a sum and a
    quotient for each corner), 16 with ``clip``. PyTorch has none.

    Source: the SSD fork of Caffe, src/caffe/layers/prior_box_layer.cpp.
    """

    messages = ("prior_box_param",)
    implied: Mapping[str, float] = {"variance": 0.1}
    bottoms = (2, 2)
    required = ("min_size",)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self._check_sizes()
        self._check_variance()
        self._check_pair("img_size", "img_h", "img_w")
        self._check_pair("step", "step_h", "step_w")
        fields = self.fields
        ratios = prior_ratios(fields["aspect_ratio"], flip=fields["flip"])
        boxes = len(ratios) * len(fields["min_size"]) + len(fields["max_size"])
        _, _, height, width = legacy_shape(bottoms[0])
        length = width * height * boxes * 4
        if not length:
            raise NetgenError(f"the feature map must not be empty, got {text(bottoms[0])}")
        return [(1, 2, length)]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return (4 if self.fields["clip"] else 2) * tops[0][2]

    def _check_sizes(self) -> None:
        least, most = self.fields["min_size"], self.fields["max_size"]
        if not least or min(least) <= 0:
            raise NetgenError(f"min_size must be given, above 0, got {listed(least)}")
        if most and len(most) != len(least):
            raise NetgenError(f"max_size must be given for each min_size ({len(least)}) or not at all, got {len(most)}")
        for low, high in zip(least, most, strict=False):
            if high <= low:
                raise NetgenError(f"max_size must be above its min_size, got {high} for {low}")

    def _check_variance(self) -> None:
        variance = self.fields["variance"]
        if len(variance) not in (0, 1, 4) or any(each <= 0 for each in variance):
            raise NetgenError(f"variance must be given once or four times, above 0, got {listed(variance)}")

    def _check_pair(self, both: str, *each: str) -> None:
        given = self.given
        names = each if any(name in given for name in each) else (both,) if both in given else ()
        if names == each and both in given:
            raise NetgenError(f"either {both} or {each[0]} and {each[1]} may be given, not both")
        for name in names:
            if given.get(name, 0) <= 0:
                raise NetgenError(f"{name} must be above 0, got {given.get(name, 'none')}")

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.detection import PriorBox, prior_sides

        fields = self.fields
        ratios = prior_ratios(fields["aspect_ratio"], flip=fields["flip"])
        if min(ratios) <= 0:
            raise NetgenError(f"aspect_ratio must be above 0, got {min(ratios)}")
        variance = fields["variance"] or (self.implied["variance"],)
        return PriorBox(
            prior_sides(fields["min_size"], fields["max_size"], ratios),
            variance if len(variance) == 4 else variance * 4,
            self._pair("img_size", "img_h", "img_w"),
            self._pair("step", "step_h", "step_w"),
            offset=fields["offset"],
            clip=fields["clip"],
        )

    def _pair(self, both: str, *each: str) -> tuple[Any, Any] | None:
        """Height and width, where they are given."""
        if both in self.given:
            return self.given[both], self.given[both]
        return (self.given[each[0]], self.given[each[1]]) if each[0] in self.given else None


class DetectionOutput(LayerType):
    """Decodes boxes against their priors and keeps the best after non-maximum suppression.

    Bottoms: locations, N x 4 P L (x 1 x 1), where P is a quarter of the priors' height and L is 1 with
    ``share_location``, else ``num_classes``; scores, N x P num_classes; priors, 1 x 2 x 4P. The top is 1 x 1 x D x 7
    with image, label, score and corners. How many are found hangs on the values: after loading D is 1, and that is
    the shape here. PyTorch has none.

    Source: the SSD fork of Caffe, src/caffe/layers/detection_output_layer.cpp.
    """

    messages = ("detection_output_param",)
    bottoms = (3, 4)
    required = ("num_classes",)
    counted = False
    dynamic = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require(self, "num_classes")
        nms = self.fields.get("nms_param", {})
        # A field that is not given has a default that passes.
        if nms.get("nms_threshold", 0) < 0 or not 0 < nms.get("eta", 1) <= 1:
            raise NetgenError(
                f"nms_threshold must be 0 or more and eta lie in (0, 1], got {nms.get('nms_threshold', 'none')} and "
                f"{nms.get('eta', 'none')}"
            )
        if legacy_shape(bottoms[0])[0] != legacy_shape(bottoms[1])[0]:
            raise NetgenError(
                f"locations and scores must have one batch, got {text(bottoms[0])} and {text(bottoms[1])}"
            )
        _check_priors(bottoms, self.fields["num_classes"], self.fields["share_location"])
        return [(1, 1, 1, 7)]

    def labels(self) -> tuple[int, int]:
        """The background is among them."""
        return self.fields["num_classes"], 0

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.detection import detection_output
        from netgen.mirror.function import ByValue

        fields, nms = self.fields, _suppression(self)
        if fields["share_location"] and fields["background_label_id"] == -1:
            raise NetgenError(
                "background_label_id: -1 takes the shared locations for the background, and Caffe dies of it; leave it "
                "out, or give each class its own (share_location: false)"
            )
        return ByValue(
            detection_output,
            self.shapes,
            classes=fields["num_classes"],
            shared=fields["share_location"],
            background=fields["background_label_id"],
            code_type=fields["code_type"],
            in_target=fields["variance_encoded_in_target"],
            threshold=fields.get("confidence_threshold"),
            keep_top_k=fields["keep_top_k"],
            nms_threshold=nms["nms_threshold"],
            top_k=nms.get("top_k", -1),
            eta=nms["eta"],
        )


class DetectionEvaluate(LayerType):
    """Marks each detection as true or false against the ground truth.

    Bottoms: detections, 1 x 1 x D x 7, and ground truth, 1 x 1 x G x 8. The top has a row for each class but the
    background, with its number of boxes, and one for each detection: 1 x 1 x (num_classes - 1 + D) x 5. Rows of the
    first bottom without a label (-1) are dropped when running; after loading there are none, and that is the shape
    here. ``name_size_file``, with name, height and width of each image, is opened when running: boxes are then compared
    in pixels. PyTorch has none.

    Source: the SSD fork of Caffe, src/caffe/layers/detection_evaluate_layer.cpp.
    """

    messages = ("detection_evaluate_param",)
    bottoms = (2, 2)
    required = ("num_classes",)
    counted = False
    dynamic = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require(self, "num_classes")
        if self.fields["overlap_threshold"] <= 0:
            raise NetgenError(f"overlap_threshold must be above 0, got {self.fields['overlap_threshold']}")
        for name, shape, width in zip(("detections", "ground truth"), bottoms, (7, 8), strict=True):
            check_singles(name, shape, {"N": 0, "channels": 1})
            if legacy_shape(shape)[3] != width:
                raise NetgenError(f"the {name} must have {width} values in a row, got {text(shape)}")
        refuse_empty(bottoms[0])
        classes = self.fields["num_classes"] - (self.fields["background_label_id"] != NO_LABEL)
        return [(1, 1, classes + legacy_shape(bottoms[0])[2], 5)]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.evaluation import DetectionEvaluate

        fields = self.fields
        return DetectionEvaluate(
            self.shapes,
            fields.get("name_size_file", ""),
            {**declared("ResizeParameter"), **fields["resize_param"]} if fields.get("resize_param") else None,
            classes=fields["num_classes"],
            background=_label(fields["background_label_id"]),
            threshold=fields["overlap_threshold"],
            difficult=fields["evaluate_difficult_gt"],
        )


class MultiBoxLoss(LayerType):
    """Matches priors to ground truth and adds the losses of place and class.

    Bottoms: locations, N x 4 P L, where P is a quarter of the priors' height and L is 1 with ``share_location``, else
    ``num_classes``; scores, N x P num_classes; priors, 1 x 2 x 4P; ground truth, 1 x 1 x G x 8. The top is a single
    value, (). Negatives are mined unless ``mining_type`` is NONE, and only with ``share_location``. PyTorch has none.

    Source: the SSD fork of Caffe, src/caffe/layers/multibox_loss_layer.cpp.
    """

    messages = ("multibox_loss_param", "loss_param")
    bottoms = (4, 4)
    tops = (0, 1)
    required = ("num_classes",)
    verb = "multibox_loss"
    loss = True
    counted = False

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require(self, "num_classes")
        fields = self.fields
        classes, label = fields["num_classes"], fields["background_label_id"]
        if classes < 1:
            raise NetgenError(f"num_classes must be 1 or more, got {classes}")
        mines = fields["mining_type"] != "NONE"
        if self.given.get("do_neg_mining", mines) != mines:
            raise NetgenError(
                f"do_neg_mining is the older name of mining_type other than NONE, and must agree with "
                f"mining_type={fields['mining_type']}; remove it"
            )
        if mines and not fields["share_location"]:
            raise NetgenError("negatives are mined only with share_location; give mining_type NONE")
        if fields["conf_loss_type"] == "SOFTMAX" and label >= classes:
            raise NetgenError(f"background_label_id must lie below num_classes ({classes}) for SOFTMAX, got {label}")
        check_batch(bottoms[0], bottoms[1])
        _check_priors(bottoms, classes, fields["share_location"])
        legacy_shape(bottoms[3])
        return [()]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.multibox import MultiBoxLoss

        loss, propagate = self.message("loss_param"), self.layer.params.get("propagate_down", ())
        given = self.layer.params.get("loss_param", {})
        if "normalize" in given and "normalization" not in given:
            loss["normalization"] = "VALID" if loss["normalize"] else "BATCH_SIZE"
        # top_k has no default, and Caffe asks for it all the same: it has 0, which leaves nothing.
        nms = {"top_k": 0, **_suppression(self)} if self.fields.get("nms_param") else None
        fields = {
            **self.fields,
            "background_label_id": _label(self.fields["background_label_id"]),
            "nms_param": nms if nms and nms["nms_threshold"] > 0 else None,
        }
        adds = (True, True) if not propagate else (propagate[0], propagate[1])
        return MultiBoxLoss(self.shapes, normalization=loss["normalization"], adds=adds, **fields)


class Proposal(LayerType):
    """Regions that are likely objects, from anchors, scores and box deltas.

    Bottoms: scores, N x 2A x H x W, with A = ratios times scales; deltas, N x 4A x H x W; the image's height, width
    and scales. Tops: image and corners of N ``post_nms_topn`` regions, x 5, and their scores. Fewer may remain when
    running; this is the shape after loading, when Caffe looks at nothing but the batch. PyTorch has none in itself;
    torchvision's RegionProposalNetwork is near.

    Source: Faster R-CNN forks, among them happynear/caffe-windows, src/caffe/layers/proposal_layer.cpp.
    """

    messages = ("proposal_param",)
    bottoms = (3, 3)
    tops = (1, 2)
    counted = False
    dynamic = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        if not bottoms[0]:
            raise NetgenError("the first bottom, the scores, must have a batch axis, got ()")
        regions = bottoms[0][0] * self.fields["post_nms_topn"]
        return [(regions, 5), (regions,)][: len(self.layer.tops)]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import ByValue
        from netgen.mirror.regions import anchors, proposal

        fields, tops = self.fields, len(self.layer.tops)
        bases = anchors(fields["base_size"], fields["ratio"], fields["scale"])
        scores, deltas = legacy_shape(bottoms[0])[1], legacy_shape(bottoms[1])[1]
        if not bases or (scores, deltas) != (2 * len(bases), 4 * len(bases)):
            raise NetgenError(
                f"ratio and scale must give anchors for the channels, 2 and 4 for each: {len(bases)} anchors for "
                f"{scores} and {deltas} channels"
            )
        return ByValue(
            proposal,
            self.shapes,
            bases=bases,
            stride=fields["feat_stride"],
            min_size=fields["min_size"],
            before=fields["pre_nms_topn"],
            after=fields["post_nms_topn"],
            threshold=fields["nms_thresh"],
            tops=tops,
        )


def _suppression(layer: LayerType) -> dict[str, Any]:
    """The fields of nms_param with their defaults."""
    return {**declared("NonMaximumSuppressionParameter"), **layer.fields.get("nms_param", {})}


def _label(unsigned: int) -> int:
    """background_label_id as Caffe's int."""
    return -1 if unsigned == NO_LABEL else unsigned


def _check_priors(bottoms: Sequence[Shape], classes: int, shared: bool) -> None:
    """Locations and scores, the first two bottoms, have what they need for each prior of the third."""
    priors = legacy_shape(bottoms[2])[2] // 4
    for name, shape, each in (("locations", bottoms[0], 4 if shared else 4 * classes), ("scores", bottoms[1], classes)):
        if legacy_shape(shape)[1] != priors * each:
            raise NetgenError(
                f"the {name} must have {priors * each} channels, {each} for each of the {priors} priors, "
                f"got {text(shape)}"
            )


def _float32(number: float) -> float:
    """The nearest float of 32 bits; infinity beyond the largest."""
    try:
        nearest: float = struct.unpack("<f", struct.pack("<f", number))[0]
    except OverflowError:
        return math.copysign(math.inf, number)
    return nearest
