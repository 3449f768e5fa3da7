"""Caffe's precision on a GPU, where PyTorch rounds the factors of convolutions to TensorFloat-32 unless told not to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor


def full_precision(blobs: Iterable[Tensor]) -> AbstractContextManager[None]:
    """Within it, products of float32 are products of float32, if any of the blobs is on a GPU.

    TensorFloat-32 keeps 10 bits of each factor, so that sums differ in the third digit (PyTorch's notes on CUDA
    semantics). What the program had chosen is back afterwards.
    """
    if torch.compiler.is_compiling() or not any(blob.is_cuda for blob in blobs):
        return nullcontext()
    return _in_full()


@contextmanager
def _in_full() -> Iterator[None]:
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in _SWITCHES]
    try:
        for owner, name, full in _SWITCHES:
            setattr(owner, name, full)
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def _switches() -> list[tuple[Any, str, Any]]:
    """What decides, as an object, its attribute and the value for full precision; it goes by operator since 2.9."""
    matmul: Any = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn
    if hasattr(cudnn, "conv"):
        return [(owner, "fp32_precision", "ieee") for owner in (matmul, cudnn.conv, cudnn.rnn)]
    return [(owner, "allow_tf32", False) for owner in (matmul, cudnn)]


_SWITCHES = _switches()
