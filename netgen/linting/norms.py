"""Rules about BatchNorm, which Caffe splits in two layers, and what stands before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netgen.layers.base import count
from netgen.linting.registry import Found, rule

if TYPE_CHECKING:
    from netgen.linting.sites import Site, Sites

# The types whose bias is one value for each channel that they make.
_LINEAR = ("Convolution", "Deconvolution", "DepthwiseConvolution", "ConvolutionDepthwise", "InnerProduct")
# Forks' fields that give a BatchNorm a scale and bias of its own: NVIDIA's, and Intel's.
_OWN_SCALE = frozenset(("scale_bias", "use_weight_bias", "scale_filler", "bias_filler"))


def _normalizes(site: Site) -> bool:
    return site.kind is not None and site.kind.statistics() > 0


def _scales(site: Site) -> bool:
    """Whether it is a Scale with learned factors, rather than those of a second bottom."""
    return site.type == "Scale" and len(site.bottoms) == 1


@rule
def conv_bias_before_bn(net: Sites) -> Found:
    """A bias whose only reader is a BatchNorm: the mean that is subtracted holds it, so it learns and does nothing.

    Ioffe and Szegedy 2015, section 3.2. A BatchNorm that uses given statistics in training is left alone.
    """
    for site in net.of(*_LINEAR):
        if not site.fields.get("bias_term") or site.fields.get("axis", 1) != 1 or not site.tops:
            continue
        norms = [top.readers[0] for top in site.tops if len(top.readers) == 1 and _normalizes(top.readers[0])]
        frozen = net.phase == "TRAIN" and any(norm.given.get("use_global_stats") for norm in norms)
        if len(norms) == len(site.tops) and not frozen:
            size = f" of {count(site.shaped.weights[-1])} weights" if site.shaped and site.shaped.weights else ""
            message = (
                f"its bias{size} does nothing, as layer {norms[0].layer.name!r} ({norms[0].type}), which alone reads "
                "it, subtracts the mean; write bias_term: false, and in trained weights take the bias off that mean"
            )
            yield site, message


@rule
def bn_without_scale(net: Sites) -> Found:
    """A BatchNorm that no Scale follows: Caffe's has no learned gamma and beta, which other frameworks' have.

    Caffe: batch_norm_layer.cpp. Not where only layers with weights of their own read it, which can learn the same.
    """
    for site in net.of("BatchNorm"):
        readers = site.readers
        own = not _OWN_SCALE.isdisjoint(site.given)
        if not own and readers and not any(map(_scales, readers)) and not all(each.type in _LINEAR for each in readers):
            message = (
                "no Scale reads its output: it normalizes without the learned scale and bias that a batch "
                "normalization has elsewhere; add a Scale with bias_term: true after it"
            )
            yield site, message


@rule
def scale_without_bias(net: Sites) -> Found:
    """A Scale after a BatchNorm without bias_term: gamma without beta, as Caffe's default is no bias.

    Caffe: scale_layer.cpp. Not where a Bias layer follows.
    """
    for site in net.of("Scale"):
        before = site.bottoms[0].writer if site.bottoms else None
        if before is None or before.type != "BatchNorm" or not _scales(site) or site.fields["bias_term"]:
            continue
        if not any(reader.type == "Bias" for reader in site.readers):
            message = (
                f"it scales layer {before.layer.name!r} (BatchNorm) and adds no bias, as bias_term is false by "
                "default: the normalization has no learned beta; write bias_term: true"
            )
            yield site, message


@rule
def bn_batch_statistics(net: Sites) -> Found:
    """A BatchNorm with use_global_stats false in TEST: what comes out for an image hangs on the others of its batch.

    Caffe: batch_norm_layer.cpp; without the field Caffe does the right thing in each phase.
    """
    for site in net.of("BatchNorm"):
        if net.phase == "TEST" and site.given.get("use_global_stats") is False:
            message = (
                "use_global_stats is false in TEST: it normalizes by the batch at hand instead of the learned "
                "statistics, and what ignores the field gives other numbers; remove the field, as Caffe's default is "
                "true in TEST and false in TRAIN"
            )
            yield site, message


@rule
def bn_untouched(net: Sites) -> Found:
    """A BatchNorm whose statistics in the weights are those before any training; asked where weights are given.

    Caffe: batch_norm_layer.cpp divides mean and variance by the factor, or makes them 0 where it is 0; in TEST a layer
    with variance 0 multiplies by 1 over the root of eps.
    """
    for site in net.of("BatchNorm"):
        factor = net.weights.get(f"{site.layer.name}:2")
        if net.phase != "TEST" or site.given.get("use_global_stats") is False or factor is None:
            continue
        if factor.size and not factor.any():
            message = (
                "its statistics are untouched, as their factor in the weights is 0: in TEST it multiplies by "
                f"{site.fields['eps'] ** -0.5:.1f}, 1 over the root of eps, and saturates what follows; train it, or "
                "make weights with --init calibrated"
            )
            yield site, message
