"""The weights of modules as Caffe's blobs: where each lies, and how it is read and written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor, nn

from netgen.mirror.normalization import STATISTICS, BatchNorm

if TYPE_CHECKING:
    from netgen.graph import Layer
    from netgen.shapes import ShapedLayer


class Slot(NamedTuple):
    """One blob of a layer: the attribute of a module that holds it."""

    key: str
    """``layer:index``."""
    layer: Layer
    module: nn.Module
    name: str
    spec: Mapping[str, Any]
    """What its ``param`` says, and of those that it is shared with."""

    @property
    def lr_mult(self) -> float:
        """The factor of its learning rate; 0 for what is frozen."""
        return float(self.spec.get("lr_mult", 1.0))

    @property
    def decay_mult(self) -> float:
        """The factor of its weight decay."""
        return float(self.spec.get("decay_mult", 1.0))

    @property
    def shared(self) -> str:
        """The name under which several layers share it, "" for none (``param { name }``)."""
        return str(self.spec.get("name", ""))

    def read(self) -> Tensor:
        """The blob, in Caffe's shape."""
        if isinstance(self.module, BatchNorm):
            return self.module.read_blob(self.name)
        blob: Tensor = getattr(self.module, self.name).detach()
        return blob

    def write(self, value: Tensor) -> None:
        """Take over a blob of Caffe's."""
        if isinstance(self.module, BatchNorm):
            self.module.write_blob(self.name, value)
        else:
            getattr(self.module, self.name).data.copy_(value)

    def parameter(self) -> nn.Parameter | None:
        """The parameter that holds it; None for statistics, and for what is seen of another module's."""
        found = getattr(self.module, self.name, None)
        return found if isinstance(found, nn.Parameter) else None


def slots(each: ShapedLayer, module: nn.Module, *, second: bool = False) -> list[Slot]:
    """The slots of a layer's weights in a module; ``second`` of two layers that are one module."""
    names = _names(module, second=second)[: len(each.weights)]
    specs = [*each.layer.params.get("param", ()), *[{}] * len(each.weights)]
    return [
        Slot(f"{each.layer.name}:{i}", each.layer, module, name, spec)
        for i, (name, spec) in enumerate(zip(names, specs, strict=False))
    ]


def _names(module: nn.Module, *, second: bool) -> tuple[str, ...]:
    """The attributes that hold a layer's blobs, in Caffe's order."""
    if isinstance(module, BatchNorm) and not second:
        return STATISTICS
    given: tuple[str, ...] = getattr(module, "caffe_blobs", ())
    return given or tuple(name for name, value in module.named_parameters(recurse=False) if value is not None)
