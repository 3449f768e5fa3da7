"""Losses, and the accuracy. Each exp, log, root or comparison is one operation, as is each sum and product.

Longer than other modules: the family is large, and each type's shape rule stands beside its arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netgen.errors import NetgenError
from netgen.graph import EMPTY
from netgen.layers.base import LayerType, Shape, canonical_axis, count, legacy_shape, refuse_empty, text
from netgen.layers.checks import check_batch, check_labels, check_singles

if TYPE_CHECKING:
    from torch.nn import Module


class _Loss(LayerType):
    """Base of what derives from Caffe's LossLayer."""

    loss = True

    def _function(self, function: str, **fields: Any) -> Module:
        """The module of a function of netgen.mirror.loss, with its arguments by keyword."""
        from netgen.mirror import loss
        from netgen.mirror.function import Function

        return Function(getattr(loss, function), **fields)

    def _labels(self, normalization: str = "VALID") -> dict[str, Any]:
        """What loss_param says of labels to ignore and of the divisor (softmax_loss_layer.cpp, LayerSetUp)."""
        given = self.layer.params.get("loss_param", EMPTY)
        if given.get("label_smoothing"):
            raise NetgenError("label_smoothing (Intel) has no mirror in PyTorch; remove it, or give it one")
        if "normalization" in given:
            normalization = given["normalization"]
        elif "normalize" in given:
            normalization = "VALID" if given["normalize"] else "BATCH_SIZE"
        fixed = float(self.message("loss_param")["pre_fixed_normalizer"])
        return {
            "ignore_label": given.get("ignore_label"),
            "normalization": fixed if normalization == "PRE_FIXED" else normalization,
        }


class SoftmaxWithLoss(_Loss):
    """The negative log of the softmax at the label, averaged as loss_param says.

    Bottoms: scores with the classes on ``softmax_param.axis`` (1), and one label for each other place. The top is a
    single value without axes, (). Caffe refuses a second top, whatever loss_weight says: ask Softmax for the
    probabilities. flops: 5 a score for the softmax (comparison, difference, exp, sum, quotient), 2 a label. PyTorch:
    F.cross_entropy; Caffe divides by 1 at least, by the valid labels by default.

    Source: Caffe, src/caffe/layers/softmax_loss_layer.cpp.
    """

    messages = ("loss_param", "softmax_param")
    bottoms = (2, 2)
    tops = (0, 1)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        scores, labels = bottoms
        check_batch(scores, labels)
        axis = canonical_axis(self.message("softmax_param")["axis"], scores)
        refuse_empty(scores, axis, axis + 1)
        check_labels(scores, axis, labels)
        return [()]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 5 * count(bottoms[0]) + 2 * count(bottoms[1])

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        axis = canonical_axis(self.message("softmax_param")["axis"], bottoms[0])
        return self._function("softmax_loss", axis=axis, **self._labels())


class EuclideanLoss(_Loss):
    """Half the squared distance of two blobs, averaged over the batch.

    The bottoms must have one batch and as many values an image; the top is (). flops: 3 a value (difference, square,
    sum). PyTorch: 0.5 * F.mse_loss(reduction="sum") / N.

    Source: Caffe, src/caffe/layers/euclidean_loss_layer.cpp.
    """

    bottoms = (2, 2)
    tops = (0, 1)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        first, second = bottoms
        check_batch(first, second)
        if count(first, 1) != count(second, 1):
            raise NetgenError(
                f"the bottoms must have as many values for each image, got {text(first)} and {text(second)}"
            )
        return [()]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 3 * count(bottoms[0])

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        return self._function("euclidean_loss")


class SigmoidCrossEntropyLoss(_Loss):
    """The cross entropy of sigmoids and targets between 0 and 1, averaged over the batch.

    The bottoms must have one batch and as many values; the top is (). flops: 10 a value, for the sum of
    x (t - [x >= 0]) - log(1 + exp(x - 2 x [x >= 0])), of which 2 x [x >= 0] is one. PyTorch:
    F.binary_cross_entropy_with_logits, which averages over all values.

    Source: Caffe, src/caffe/layers/sigmoid_cross_entropy_loss_layer.cpp.
    """

    messages = ("loss_param",)
    bottoms = (2, 2)
    tops = (0, 1)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        first, second = bottoms
        check_batch(first, second)
        if count(first) != count(second):
            raise NetgenError(f"the bottoms must have as many values, got {text(first)} and {text(second)}")
        return [()]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 10 * count(bottoms[0])

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        return self._function("sigmoid_loss", **self._labels("BATCH_SIZE"))


class HingeLoss(_Loss):
    """The one-against-all hinge loss, linear or squared, averaged over the batch.

    Scores and labels must have one batch; that there is one label an image is not checked. The top is (). flops: 3 a
    score (sum, comparison, sum), 4 with ``norm: L2``. PyTorch: nn.MultiMarginLoss is another loss; this one counts
    max(0, 1 - x) at the label and max(0, 1 + x) elsewhere.

    Source: Caffe, src/caffe/layers/hinge_loss_layer.cpp.
    """

    messages = ("hinge_loss_param",)
    bottoms = (2, 2)
    tops = (0, 1)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        check_batch(*bottoms)
        return [()]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return (4 if self.fields["norm"] == "L2" else 3) * count(bottoms[0])

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        return self._function("hinge_loss", norm=self.fields["norm"])


class MultinomialLogisticLoss(_Loss):
    """The negative log of given probabilities at the label, averaged over the batch.

    Bottoms: probabilities, and one label an image, N x 1 x 1 x 1 or N; the top is (). flops: 3 an image (comparison,
    log, sum). PyTorch: F.nll_loss of the log; Caffe holds the probability above 1e-20.

    Source: Caffe, src/caffe/layers/multinomial_logistic_loss_layer.cpp.
    """

    bottoms = (2, 2)
    tops = (0, 1)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        check_batch(*bottoms)
        check_singles("second bottom, the labels,", bottoms[1], {"channels": 1, "height": 2, "width": 3})
        return [()]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 3 * count(bottoms[1])

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        return self._function("multinomial_loss")


class InfogainLoss(_Loss):
    """The log loss of a softmax, weighted by a matrix H over true and predicted label.

    Bottoms: scores with K classes on ``axis`` (1), one label for each other place, and H with K^2 values, or ``source``
    names its file (which is not opened here). Tops: (), and the softmax in the shape of the scores, which needs a
    loss_weight for each top. flops: 5 a score for the softmax, 4 more for the sum (comparison, log, product, sum). BVLC
    master computes the softmax; older releases and the SSD fork take probabilities and have one top. PyTorch has none.

    Source: Caffe, src/caffe/layers/infogain_loss_layer.cpp.
    """

    messages = ("infogain_loss_param", "loss_param", "softmax_param")
    bottoms = (2, 3)
    tops = (0, 2)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        scores, labels = bottoms[:2]
        check_batch(scores, labels)
        axis = canonical_axis(self.fields["axis"], scores)
        refuse_empty(scores, axis, axis + 1)
        check_labels(scores, axis, labels)
        if len(bottoms) == 2 and "source" not in self.given:
            raise NetgenError("source must name the file of the matrix, or a third bottom hold it")
        if len(bottoms) == 3 and count(bottoms[2]) != scores[axis] ** 2:
            raise NetgenError(
                f"the third bottom, the matrix, must be {scores[axis]}x{scores[axis]}, got {text(bottoms[2])}"
            )
        if "normalize" in self.layer.params.get("loss_param", ()):
            raise NetgenError("normalize is not read by this loss; give normalization")
        if len(self.layer.tops) == 1:
            return [()]
        if not self.layer.params.get("loss_weight"):
            raise NetgenError("two tops need a loss_weight each; give loss_weight 1 and 0")
        return [(), scores]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 9 * count(bottoms[0])

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        return self._function(
            "infogain_loss",
            axis=canonical_axis(self.fields["axis"], bottoms[0]),
            source=self.fields.get("source", ""),
            with_softmax=len(self.layer.tops) == 2,
            **self._labels(),
        )


class ContrastiveLoss(_Loss):
    """Pulls similar pairs together and pushes others beyond a margin, averaged over the pairs.

    Bottoms: two blobs N x C (x 1 x 1) and a flag for each pair, any but 0 for similar; the top is (). flops: 3 a value
    of the first (difference, square, sum), 5 a pair (root, difference, comparison, square, sum). PyTorch has none.

    Source: Caffe, src/caffe/layers/contrastive_loss_layer.cpp.
    """

    messages = ("contrastive_loss_param",)
    bottoms = (3, 3)
    tops = (0, 1)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        first, second, similar = bottoms
        check_batch(first, second)
        if legacy_shape(first)[1] != legacy_shape(second)[1]:
            raise NetgenError(f"the first two bottoms must have as many channels, got {text(first)} and {text(second)}")
        check_singles("first bottom", first, {"height": 2, "width": 3})
        check_singles("second bottom", second, {"height": 2, "width": 3})
        check_singles("third bottom, the flags,", similar, {"channels": 1, "height": 2, "width": 3})
        return [()]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 3 * count(bottoms[0]) + 5 * bottoms[0][0]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        names = ("margin", "legacy_version")
        return self._function("contrastive_loss", **{name: self.fields[name] for name in names})


class SmoothL1Loss(_Loss):
    """Squared near 0 and linear beyond, averaged over the batch.

    All bottoms must agree in channels, height and width, the first two in the batch; the top is (). A third bottom
    weighs the differences (SSD), a third and a fourth weigh differences and losses (Fast R-CNN, which refuses three).
    flops: 6 a value (difference, absolute value, comparison, two products, sum) and 1 for each weight. PyTorch:
    F.smooth_l1_loss with beta 1; ``sigma`` (1) is there beta = 1 / sigma^2, and the SSD fork has none.

    Source: rbgirshick/caffe-fast-rcnn and the SSD fork, src/caffe/layers/smooth_L1_loss_layer.cpp.
    """

    messages = ("smooth_l1_loss_param",)
    bottoms = (2, 4)
    tops = (0, 1)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        first = bottoms[0]
        check_batch(first, bottoms[1])
        for shape in bottoms[1:]:
            if legacy_shape(shape)[1:] != legacy_shape(first)[1:]:
                raise NetgenError(
                    f"all bottoms must agree in channels, height and width, got {text(first)} and {text(shape)}"
                )
        return [()]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return (4 + len(bottoms)) * count(bottoms[0])

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        return self._function("smooth_l1_loss", sigma=self.fields["sigma"])


class Accuracy(LayerType):
    """The share of labels among the ``top_k`` best scores; as a second top the same for each class.

    Bottoms: scores with the classes on ``axis`` (1), and one label for each other place. Tops: (), and one value for
    each class. ``top_k`` must not exceed the classes. flops: 1 a score, its comparison with the label's; Caffe counts
    equal scores as better. ``min_is_better`` (caffe-windows) and ``denominator`` (lisa) leave the shapes as they are.

    Source: Caffe, src/caffe/layers/accuracy_layer.cpp.
    """

    messages = ("accuracy_param",)
    bottoms = (2, 2)
    tops = (1, 2)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        scores, labels = bottoms
        axis = canonical_axis(self.fields["axis"], scores)
        check_labels(scores, axis, labels)
        if not count(labels) or self.fields["top_k"] > scores[axis]:
            raise NetgenError(
                f"there must be labels, and no more than {scores[axis]} (the classes) in top_k, "
                f"got {count(labels)} and top_k={self.fields['top_k']}"
            )
        return [(), (scores[axis],)][: len(self.layer.tops)]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(bottoms[0])

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.loss import accuracy

        for name in ("min_is_better", "denominator"):
            if self.given.get(name):
                raise NetgenError(f"{name} of other Caffes has no mirror in PyTorch; remove it")
        return Function(
            accuracy,
            top_k=self.fields["top_k"],
            axis=canonical_axis(self.fields["axis"], bottoms[0]),
            ignore_label=self.given.get("ignore_label"),
            by_class=len(self.layer.tops) == 2,
        )
