"""A mirror for inference alone: folded, and fused by what torch offers on its device."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from netgen.errors import NetgenError, UsageError
from netgen.folding import fold
from netgen.mirror.function import ByValue
from netgen.mirror.network import Mirror
from netgen.mirror.pooling import Pooling
from netgen.mirror.precision import full_precision

if TYPE_CHECKING:
    from netgen.layers.base import Shape

Run = Callable[..., tuple[Tensor, ...]]

_WARM_UP = 3
"""Passes that torch's profiling executor takes to fuse, and CUDA's libraries to choose their kernels."""


class Optimised(nn.Module):
    """The outputs of a TEST network, as fast as torch makes them.

    BatchNorm, Scale and Bias are folded into the layers before them. On the CPU oneDNN's graph compiler fuses what is
    left, on a GPU the kernels are recorded in a CUDA graph and images are channels_last. That is done once for each
    set of input shapes, at its first call, which takes seconds. Outputs agree with those of ``Mirror`` within 1e-4 of
    their largest value (the sums run in another order), with ``half`` (a GPU's half precision) within 1e-2. A NaN in a
    window makes NaN of its maximum.
    """

    def __init__(
        self, mirror: Mirror, inputs: Mapping[str, Sequence[int]] | None = None, *, half: bool = False
    ) -> None:
        super().__init__()
        folded = fold(mirror.net, mirror.caffe_weights(), inputs)
        self.mirror = Mirror(folded.net, "TEST", inputs)
        self.mirror.load_caffe_weights(folded.weights)
        self.mirror.requires_grad_(False)
        self.half_precision = half
        for module in self.mirror.modules():
            if isinstance(module, Pooling):
                module.passes_nan = False
        self._runs: dict[tuple[Shape, ...], Run] = {}
        self.eval()

    @property
    def inputs(self) -> dict[str, Shape]:
        """The blobs to be given, with the shapes that the network says."""
        return self.mirror.inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        """The blobs that no layer reads."""
        return self.mirror.outputs

    def train(self, mode: bool = True) -> Optimised:
        """Only ``eval()``: raises NetgenError for training."""
        if mode:
            raise NetgenError("an optimised mirror is for inference alone; train the one without optimize=True")
        return super().train(False)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self._runs = {}  # what was made for another device or type
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def forward(self, *args: Any, blobs: Any = None, **kwargs: Any) -> Any:
        """The output for inputs as ``Mirror`` takes them, or a dict of them by blob name where there are several."""
        if blobs is not None:
            raise UsageError("an optimised mirror gives its outputs alone; ask one without optimize=True for blobs")
        program = self.mirror.program
        values = self.mirror._bound(program, args, kwargs)
        tensors = tuple(values[name] for name in program.inputs)
        with torch.no_grad(), full_precision(tensors):
            shapes = tuple(tuple(each.shape) for each in tensors)
            if shapes not in self._runs:
                self._runs[shapes] = self._made(tensors)
            made = self._runs[shapes](*tensors)
        return made[0] if len(made) == 1 else dict(zip(program.outputs, made, strict=True))

    def _made(self, tensors: tuple[Tensor, ...]) -> Run:
        device = tensors[0].device.type if tensors else "cpu"
        if device == "cuda":
            return _recorded(self.mirror, tensors, half=self.half_precision)
        if self.half_precision:
            raise UsageError("half precision is for a GPU; move the mirror there, or leave half=True out")
        single = all(each.dtype == torch.float32 for each in tensors) and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
        fusible = device == "cpu" and single and _is_static(self.mirror)
        return _fused(self.mirror, tensors) if fusible else _Straight(self.mirror)


class _Straight(nn.Module):
    """A mirror's steps from tensors to tensors."""

    def __init__(self, mirror: Mirror) -> None:
        super().__init__()
        self.mirror = mirror

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        program = self.mirror.program
        values = dict(zip(program.inputs, tensors, strict=True))
        self.mirror._run(program, values, set(program.outputs))
        return tuple(values[name] for name in program.outputs)


def _is_static(mirror: Mirror) -> bool:
    """Whether no layer works or shapes its tops by values, which a recorded network could not follow."""
    from netgen.layers import find

    for step in mirror.program.steps:
        kind = find(step.layer.type)
        if kind is None or kind.dynamic or isinstance(step.module, ByValue):
            return False
    return True


def _fused(mirror: Mirror, tensors: tuple[Tensor, ...]) -> Run:
    """The network traced for these shapes and fused by oneDNN's graph compiler, torch's ``fuser3``."""
    jit: Any = torch.jit
    with warnings.catch_warnings():
        # That shapes become constants is wanted here: another shape gets a trace of its own.
        warnings.simplefilter("ignore")
        fusing = jit.onednn_fusion_enabled()
        jit.enable_onednn_fusion(True)
        try:
            traced: Run = jit.freeze(jit.trace(_Straight(mirror).eval(), tensors, check_trace=False))
            for _ in range(_WARM_UP):
                traced(*tensors)
        finally:
            jit.enable_onednn_fusion(fusing)
    return traced


def _recorded(mirror: Mirror, tensors: tuple[Tensor, ...], *, half: bool) -> Run:
    """The network's kernels for these shapes in a CUDA graph, of a copy of the mirror in its own memory format."""
    own: Any = copy.deepcopy(mirror)
    own = own.to(memory_format=torch.channels_last)
    straight = _Straight(own.half() if half else own)

    def prepared(tensor: Tensor) -> Tensor:
        layout = torch.channels_last if tensor.dim() == 4 else torch.contiguous_format
        return tensor.to(torch.float16 if half else tensor.dtype, memory_format=layout)

    if not _is_static(mirror):
        return lambda *given: tuple(each.to(given[0].dtype) for each in straight(*map(prepared, given)))
    return _Recorded(straight, prepared, tensors)


class _Recorded:
    """A CUDA graph of a network's kernels, which work on the memory that they were recorded with."""

    def __init__(self, straight: _Straight, prepared: Callable[[Tensor], Tensor], tensors: tuple[Tensor, ...]) -> None:
        # The graph has the addresses of the weights alone: they live as long as somebody holds the module.
        self.straight = straight
        self.inputs = [prepared(each).clone() for each in tensors]
        cuda: Any = torch.cuda
        with cuda.device(tensors[0].device):
            stream = cuda.Stream()
            stream.wait_stream(cuda.current_stream())
            with cuda.stream(stream):
                for _ in range(_WARM_UP):
                    straight(*self.inputs)
            cuda.current_stream().wait_stream(stream)
            self.graph = cuda.CUDAGraph()
            with cuda.graph(self.graph):
                self.made = straight(*self.inputs)

    def __call__(self, *given: Tensor) -> tuple[Tensor, ...]:
        for own, each in zip(self.inputs, given, strict=True):
            own.copy_(each)
        self.graph.replay()
        return tuple(each.to(given[0].dtype, copy=True) for each in self.made)
