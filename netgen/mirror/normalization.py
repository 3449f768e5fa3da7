"""Normalizations: Caffe's BatchNorm with its factor, and those that torch lacks or computes otherwise."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

STATISTICS = ("mean", "variance", "factor")


class Kept:
    """What a BatchNorm keeps beside its buffers: its factor, and the sums that were written while they hold."""

    factor: float = 0.0
    sums: list[Tensor] | None = None


class BatchNorm(_BatchNorm):
    """Caffe's BatchNorm, with a following Scale's factors and terms as its weight and bias where there is one.

    Caffe keeps sums: blob = fraction * blob + new, and a factor that grows likewise and divides them. Here are the
    quotients, ``running_mean`` and ``running_var``, and the factor as a number; an update of the quotients with
    momentum 1 / factor is the same. It tends to torch's constant momentum, 1 - moving_average_fraction.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        channels: int,
        eps: float,
        fraction: float,
        use_global_stats: bool | None,
        *,
        scale: bool = False,
        bias: bool = False,
    ) -> None:
        super().__init__(channels, eps, 1 - fraction, affine=False)
        if scale:
            self.weight = nn.Parameter(torch.ones(channels))
        if bias:
            self.bias = nn.Parameter(torch.zeros(channels))
        del self.num_batches_tracked
        self.num_batches_tracked = None
        self.fraction = fraction
        self.use_global_stats = use_global_stats
        self.kept = Kept()

    def forward(self, bottom: Tensor) -> Tensor:
        """N C ... to the same shape; in training by the batch's statistics, unless ``use_global_stats`` is given."""
        return self._normalized(bottom, self.weight, self.bias)

    def parts(self, bottom: Tensor) -> tuple[Tensor, Tensor]:
        """What the BatchNorm alone gives, and what the Scale makes of it."""
        normalized = self._normalized(bottom, None, None)
        shape = (1, -1, *[1] * (bottom.dim() - 2))
        scaled = normalized * self.weight.view(shape) if self.weight is not None else normalized
        return normalized, scaled + self.bias.view(shape) if self.bias is not None else scaled

    def _normalized(self, bottom: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        by_batch = self.training if self.use_global_stats is None else not self.use_global_stats
        if not by_batch:
            return functional.batch_norm(
                bottom, self.running_mean, self.running_var, weight, bias, False, 0.0, self.eps
            )
        rest = self.kept.sums[:2] if self.kept.sums is not None and not self.kept.factor else None
        self.kept.factor = self.fraction * self.kept.factor + 1
        self.kept.sums = None
        top = self._by_batch(bottom, weight, bias)
        if rest is not None:
            # A factor of 0 makes nothing of the sums beside it, and Caffe still adds to them.
            self.running_mean.add_(rest[0].to(bottom.device), alpha=self.fraction)
            self.running_var.add_(rest[1].to(bottom.device), alpha=self.fraction)
        return top

    def _by_batch(self, bottom: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        if bottom.numel() == bottom.shape[1]:
            return self._of_single_values(bottom, weight, bias)
        mean, variance = self.running_mean, self.running_var
        return functional.batch_norm(bottom, mean, variance, weight, bias, True, 1 / self.kept.factor, self.eps)

    def _of_single_values(self, bottom: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        """A batch with one value a channel, which torch refuses: its mean is the value, its variance 0."""
        with torch.no_grad():
            self.running_mean.lerp_(bottom.detach().flatten(), 1 / self.kept.factor)
            self.running_var.mul_(1 - 1 / self.kept.factor)
        zero = bottom * 0
        shape = (1, -1, *[1] * (bottom.dim() - 2))
        zero = zero if weight is None else zero * weight.view(shape)
        return zero if bias is None else zero + bias.view(shape)

    def start(self) -> None:
        """Caffe's state before training, factor 0, with a variance of 1, so that testing gives finite values."""
        self.kept.factor, self.kept.sums = 0.0, None
        self.running_mean.zero_()
        self.running_var.fill_(1)

    def read_blob(self, name: str) -> Tensor:
        """A blob as Caffe has it: the sums and their factor, bit for bit those that were written.

        Where nothing was summed up yet, they are what testing takes, with a factor of 1, as ``fill_weights`` has them.
        """
        if name not in STATISTICS:
            blob: Tensor = getattr(self, name).detach()
            return blob
        if self.kept.sums is not None and self._is_quotient_of(self.kept.sums):
            return self.kept.sums[STATISTICS.index(name)]
        factor = self.kept.factor or 1.0
        if name == "factor":
            return torch.tensor([factor])
        return (self.running_mean if name == "mean" else self.running_var).detach() * factor

    def write_blob(self, name: str, value: Tensor) -> None:
        """Take over a blob of Caffe's; with a factor of 0 mean and variance are 0, as Caffe has it."""
        if name not in STATISTICS:
            getattr(self, name).data.copy_(value)
            return
        sums = [self.read_blob(each).cpu().clone() for each in STATISTICS] if self.kept.sums is None else self.kept.sums
        sums[STATISTICS.index(name)] = value.detach().float().cpu().clone()
        self.kept.sums, self.kept.factor = sums, float(sums[2])
        for running, total in zip((self.running_mean, self.running_var), self._quotients(sums), strict=True):
            running.copy_(total)

    def _quotients(self, sums: list[Tensor]) -> list[Tensor]:
        inverse = 1 / sums[2] if float(sums[2]) else torch.zeros(1)
        return [sums[0] * inverse, sums[1] * inverse]

    def _is_quotient_of(self, sums: list[Tensor]) -> bool:
        running = (self.running_mean, self.running_var)
        return all(
            torch.equal(mine.cpu(), theirs.to(mine.dtype))
            for mine, theirs in zip(running, self._quotients(sums), strict=True)
        )

    def get_extra_state(self) -> Tensor:
        """The factor, for state_dict."""
        return torch.tensor(self.kept.factor, dtype=torch.float64)

    def set_extra_state(self, state: Any) -> None:
        """Take over the factor."""
        self.kept.factor, self.kept.sums = float(state), None

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        # torch's own counts batches here, which Caffe's factor stands for.
        nn.Module._load_from_state_dict(self, *args, **kwargs)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of axes from 2 on."""

    def extra_repr(self) -> str:
        """Channels, eps and momentum."""
        affine = [name for name in ("weight", "bias") if getattr(self, name) is not None]
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={'+'.join(affine) or False}"


class BatchNorm2d(BatchNorm, nn.BatchNorm2d):
    """The same over images, which torch's tools know as a BatchNorm2d."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of axes: the shapes were checked."""


class ForkBatchNorm(nn.Module):
    """PSPNet's BN: slope and bias, and the running mean and variance themselves; SegNet's has the first two alone.

    Weights are 1 x C x 1 x 1 each. Without statistics (SegNet) they are the batch's in any phase, or with ``folded``
    in the factors already.
    """

    mean: Tensor | None
    variance: Tensor | None

    def __init__(
        self,
        channels: int,
        eps: float,
        fraction: float,
        *,
        statistics: bool,
        frozen: bool = False,
        folded: bool = False,
    ) -> None:
        super().__init__()
        shape = (1, channels, 1, 1)
        self.slope, self.bias = nn.Parameter(torch.ones(shape)), nn.Parameter(torch.zeros(shape))
        self.eps, self.fraction, self.frozen, self.folded = eps, fraction, frozen, folded
        self.caffe_blobs = ("slope", "bias", "mean", "variance") if statistics else ("slope", "bias")
        self.register_buffer("mean", torch.zeros(shape) if statistics else None)
        self.register_buffer("variance", torch.ones(shape) if statistics else None)

    def forward(self, bottom: Tensor) -> Tensor:
        """N C ... to the same shape."""
        weight, bias = self.slope.flatten(), self.bias.flatten()
        if self.folded:
            shape = (1, -1, *[1] * (bottom.dim() - 2))
            return bottom * weight.view(shape) + bias.view(shape)
        if self.mean is None or self.variance is None:
            return functional.batch_norm(bottom, None, None, weight, bias, True, 0.0, self.eps)
        by_batch = self.training and not self.frozen
        mean, variance = self.mean.view(-1), self.variance.view(-1)
        return functional.batch_norm(bottom, mean, variance, weight, bias, by_batch, 1 - self.fraction, self.eps)


def within_channel(bottom: Tensor, *, size: int, alpha: float, beta: float) -> Tensor:
    """LRN over an area of positions: x (1 + alpha mean(x^2))^-beta, the mean over the padded area (lrn_layer.cpp)."""
    mean = functional.avg_pool2d(bottom**2, size, 1, (size - 1) // 2)
    return bottom * (1 + alpha * mean) ** -beta


def mean_variance(bottom: Tensor, *, across_channels: bool, normalize_variance: bool, eps: float) -> Tensor:
    """MVN: subtract the mean, divide by the deviation plus eps; always N C H W (mvn_layer.cpp)."""
    image = bottom.reshape(*bottom.shape, *[1] * (4 - bottom.dim()))
    axes = (1, 2, 3) if across_channels else (2, 3)
    centred = image - image.mean(axes, keepdim=True)
    if not normalize_variance:
        return centred
    return centred / ((centred**2).mean(axes, keepdim=True).sqrt() + eps)


class Normalize(nn.Module):
    """The SSD fork's: divide by the L2 norm over channels (and positions), and multiply by learned factors."""

    def __init__(self, channels: int, eps: float, *, across_spatial: bool, channel_shared: bool) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(() if channel_shared else channels))
        self.eps, self.across_spatial = eps, across_spatial

    def forward(self, bottom: Tensor) -> Tensor:
        """N C ... to the same shape."""
        axes = tuple(range(1, bottom.dim())) if self.across_spatial else (1,)
        norm = ((bottom**2).sum(axes, keepdim=True) + self.eps).sqrt()
        scale = self.scale if not self.scale.dim() else self.scale.view(1, -1, *[1] * (bottom.dim() - 2))
        return bottom / norm * scale
