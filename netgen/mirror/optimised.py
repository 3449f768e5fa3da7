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
from netgen.mirror.data import Dummies
from netgen.mirror.devices import Moved
from netgen.mirror.function import ByValue
from netgen.mirror.names import taken
from netgen.mirror.network import Mirror
from netgen.mirror.pooling import Pooling
from netgen.mirror.precision import full_precision
from netgen.mirror.recurrent import Recurrent

if TYPE_CHECKING:
    from netgen.layers.base import Shape

Run = Callable[..., tuple[Tensor, ...]]

_CHANGES = (ByValue, Recurrent, Dummies)
"""Modules that do another thing in each pass, by values or by what they keep, which no record follows."""

_TRAIN = "train the mirror without optimize=True, and make another of its weights"
_FOLDED = "its weights are folded; ask the mirror without optimize=True for those of Caffe's layers"
_ANEW = "its weights are folded as it is made; make another with netgen.to_torch(net, weights=..., optimize=True)"
_WAYS = {
    "loss": _TRAIN, "param_groups": _TRAIN, "caffe_weights": _FOLDED, "save": _FOLDED, "slots": _FOLDED,
    "load": _ANEW, "load_caffe_weights": _ANEW, "fill": _ANEW,
}  # fmt: skip
"""What to do instead of what a mirror has and an optimised one lacks."""

_WARM_UP = 3
"""Passes that torch's profiling executor takes to fuse, and CUDA's libraries to choose their kernels."""


class LackingError(UsageError, AttributeError):
    """What a mirror has and an optimised one lacks; ``hasattr`` says so."""


class Optimised(Moved):
    """The outputs of a TEST network, as fast as torch makes them.

    BatchNorm, Scale and Bias are folded into the layers before them. On the CPU oneDNN's graph compiler fuses what is
    left, or where this torch lacks that, its kernels run one by one; on a GPU the kernels are recorded in a CUDA graph;
    images are channels_last. That is done once for each set of input shapes, at its first call, which takes seconds.
    Outputs agree with those of ``Mirror`` within 1e-4 of their largest value (the sums run in another order), with
    ``half`` (a GPU's half precision) within 1e-2. A NaN in a window makes NaN of its maximum.
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
        self.notes = list(mirror.notes)
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
            raise NetgenError(f"an optimised mirror is for inference alone; {_TRAIN}")
        return super().train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Optimised:
        """Only with False: raises NetgenError for training."""
        return self.train(requires_grad)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As nn.Module does it, with a state of an optimised mirror; raises UsageError for one of a plain mirror."""
        if state_dict and not any(key.startswith("mirror.") for key in state_dict):
            raise UsageError(f"this is no state of an optimised mirror; {_ANEW}")
        self._runs = {}
        return super().load_state_dict(state_dict, strict, assign)

    def reset(self) -> None:
        """Forget what layers keep from one pass to the next, as ``Mirror.reset`` does."""
        self.mirror.reset()
        if not _is_static(self.mirror):
            self._runs = {}  # a GPU works with copies of the layers

    def __getattr__(self, name: str) -> Any:
        """What is no attribute, as nn.Module has it, and what a mirror has, which is told."""
        if not name.startswith("_") and name in taken():
            way = _WAYS.get(name, "make one without optimize=True for it")
            raise LackingError(f"an optimised mirror has no {name!r}, it gives its outputs alone; {way}")
        return super().__getattr__(name)

    def __getstate__(self) -> dict[str, Any]:
        """All but what was made for shapes, which is made anew."""
        return {**self.__dict__, "_runs": {}}

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self._runs = {}  # what was made for another device or type
        return super()._apply(fn, recurse)

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
            made = self._told(self._runs[shapes], tensors)
        return made[0] if len(made) == 1 else dict(zip(program.outputs, made, strict=True))

    def _told(self, run: Run, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What is made of the inputs; where that fails, what the layers have to say of them."""
        try:
            return run(*tensors)
        except NetgenError:
            raise
        except Exception as error:
            try:
                _Straight(self.mirror)(*tensors)
            except NetgenError as said:
                raise said from None
            raise error from None

    def _made(self, tensors: tuple[Tensor, ...]) -> Run:
        device = tensors[0].device.type if tensors else "cpu"
        if device == "cuda":
            return _recorded(self.mirror, tensors, half=self.half_precision)
        if self.half_precision:
            raise UsageError("half precision is for a GPU; move the mirror there, or leave half=True out")
        single = all(each.dtype == torch.float32 for each in tensors) and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
        if not (device == "cpu" and single and _is_static(self.mirror)):
            return _Straight(self.mirror)
        try:
            return _fused(self.mirror, tensors)
        except NetgenError:
            raise
        except Exception:  # torch.jit is on its way out; whatever it lacks or says, the kernels are there
            return _by_kernels(self.mirror)


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
    """Whether no layer works or shapes its tops by values or by earlier passes, which no record could follow."""
    from netgen.layers import find

    for step in mirror.program.steps:
        kind = find(step.layer.type)
        if kind is None or kind.dynamic or isinstance(step.module, _CHANGES):
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


def _by_kernels(mirror: Mirror) -> Run:
    """The network kernel by kernel, images in channels_last, which is oneDNN's own way."""
    straight = _Straight(_in_channels_last(mirror))
    return lambda *given: straight(*(_laid_out(each, each.dtype) for each in given))


def _in_channels_last(mirror: Mirror) -> Mirror:
    """The mirror with its weights of four axes so; Module.to() would refuse those of five."""
    for each in (*mirror.parameters(), *mirror.buffers()):
        each.data = _laid_out(each.data, each.dtype)
    return mirror


def _laid_out(tensor: Tensor, kind: torch.dtype) -> Tensor:
    layout = torch.channels_last if tensor.dim() == 4 else torch.contiguous_format
    return tensor.to(kind, memory_format=layout)


def _recorded(mirror: Mirror, tensors: tuple[Tensor, ...], *, half: bool) -> Run:
    """The network's kernels for these shapes in a CUDA graph, of a copy of the mirror in its own memory format."""
    own = _in_channels_last(copy.deepcopy(mirror))
    straight = _Straight(own.half() if half else own)

    def prepared(tensor: Tensor) -> Tensor:
        return _laid_out(tensor, torch.float16 if half else tensor.dtype)

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
