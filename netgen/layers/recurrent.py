"""Recurrent layers over time x streams x features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netgen.errors import NetgenError
from netgen.layers.base import LayerType, Shape, count, refuse_empty, text

if TYPE_CHECKING:
    from torch.nn import Module


class RNN(LayerType):
    """A plain recurrent layer: h = tanh(W_x x + W_static x_static + W_h (cont h) + b_h), top = tanh(W_out h + b_out).

    Bottoms: x, T x N x ... with K features; cont, T x N, 0 where a sequence begins; x_static, N x ... with S features,
    if there is one more; with ``expose_hidden`` the hidden state before, 1 x N x D, D = num_output. Tops: T x N x D,
    and with ``expose_hidden`` the state after, 1 x N x D. Weights: W_x D x K, b_h D, [W_static D x S], W_h D x D,
    W_out D x D, b_out D.

    macs: T N D (K + 2 D) + N D S. flops: 2 macs, and T N times 14 D (cont, two biases, a sum, two TanH of 5), 15 D
    with x_static. PyTorch: nn.RNN knows no cont, no x_static and no W_out; it has two biases that are added.

    Source: Caffe, src/caffe/layers/recurrent_layer.cpp and rnn_layer.cpp.
    """

    messages = ("recurrent_param",)
    bottoms = (2, 4)
    tops = (1, 2)
    required = ("num_output",)

    _states = 1
    """The blobs of a hidden state."""
    _gates = 1
    """How often num_output the rows of W_x and W_h are."""
    _output = True
    """Whether the states pass through another matrix, W_out."""
    _own_flops = 14
    """Operations besides the matrix products for each value of the top, without x_static."""

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        out = self.fields["num_output"]
        if out < 1:
            raise NetgenError(f"num_output must be 1 or more, got {out}")
        exposed = self._states if self.fields["expose_hidden"] else 0
        self._check_counts(len(bottoms), exposed)
        steps, streams = self._check_inputs(bottoms)
        state = (1, streams, out)
        for shape in bottoms[len(bottoms) - exposed :]:
            if shape != state:
                raise NetgenError(f"a hidden state among the bottoms must be {text(state)}, got {text(shape)}")
        return [(steps, streams, out), *[state] * exposed]

    def _check_counts(self, bottoms: int, exposed: int) -> None:
        least, tops = 2 + exposed, len(self.layer.tops)
        if not least <= bottoms <= least + 1 or tops != 1 + exposed:
            raise NetgenError(
                f"{'with' if exposed else 'without'} expose_hidden it takes {least} bottoms, or {least + 1} with "
                f"x_static, and {1 + exposed} top{'s' if exposed else ''}, got {bottoms} and {tops}"
            )

    def _check_inputs(self, bottoms: Sequence[Shape]) -> Shape:
        x, cont = bottoms[:2]
        # recurrent_layer.cpp asks for 2 axes; the InnerProduct inside, on axis 2, for 3.
        if len(x) < 3:
            raise NetgenError(f"the first bottom must be time x streams x features, got {text(x)}")
        refuse_empty(x, 0, 2)
        if cont != x[:2]:
            raise NetgenError(f"the second bottom, cont, must be time x streams, {text(x[:2])}, got {text(cont)}")
        if self._has_static() and (len(bottoms[2]) < 2 or bottoms[2][0] != x[1]):
            raise NetgenError(
                f"the third bottom, x_static, must be streams ({x[1]}) x features, got {text(bottoms[2])}"
            )
        return x[:2]

    def _has_static(self) -> bool:
        exposed = self._states if self.fields["expose_hidden"] else 0
        return len(self.layer.bottoms) > 2 + exposed

    def weight_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        out = self.fields["num_output"]
        rows = self._gates * out
        return [
            (rows, count(bottoms[0], 2)),
            (rows,),
            *([(rows, count(bottoms[2], 1))] if self._has_static() else []),
            (rows, out),
            *([(out, out), (out,)] if self._output else []),
        ]

    def fillers(self) -> tuple[str, ...]:
        weight, bias = "weight_filler", "bias_filler"
        return (weight, bias, *[weight] * self._has_static(), weight, *((weight, bias) if self._output else ()))

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        steps, streams = bottoms[0][:2]
        matrices = [count(shape) for shape in self.weight_shapes(bottoms) if len(shape) == 2]
        once = matrices.pop(1) if self._has_static() else 0
        return steps * streams * sum(matrices) + streams * once

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        own = self._own_flops + (self._gates if self._has_static() else 0)
        return 2 * self.macs(bottoms, tops) + own * count(tops[0])

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.recurrent import RNN

        return RNN(**self._sizes(bottoms))

    def _sizes(self, bottoms: Sequence[Shape]) -> dict[str, Any]:
        return {
            "inputs": count(bottoms[0], 2),
            "outputs": self.fields["num_output"],
            "static": count(bottoms[2], 1) if self._has_static() else None,
            "expose_hidden": self.fields["expose_hidden"],
        }


class LSTM(RNN):
    """Long short-term memory: LSTMUnit at each step, over gates = W_x x + W_static x_static + W_h (cont h) + b.

    Bottoms: x, T x N x ... with K features; cont, T x N, 0 where a sequence begins; x_static, N x ... with S features,
    if there is one more; with ``expose_hidden`` the states h and c before, each 1 x N x D, D = num_output. Tops:
    T x N x D, and with ``expose_hidden`` h and c after, each 1 x N x D. Weights: W_x 4D x K, b 4D, [W_static 4D x S],
    W_h 4D x D; the gates in the order i, f, o, g.

    macs: 4 T N D (K + D) + 4 N D S. flops: 2 macs, and T N times 36 D (cont, the bias and a sum of 4 each, 27 of the
    LSTMUnit), 40 D with x_static. PyTorch: nn.LSTM has the gates in the order i, f, g, o, two biases that are added,
    no cont and no x_static.

    Source: Caffe, src/caffe/layers/recurrent_layer.cpp and lstm_layer.cpp.
    """

    messages = ("recurrent_param",)
    bottoms = (2, 5)
    tops = (1, 3)
    required = ("num_output",)

    _states = 2
    _gates = 4
    _output = False
    _own_flops = 36

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.recurrent import LSTM

        return LSTM(**self._sizes(bottoms))


class LSTMUnit(LayerType):
    """One step of an LSTM, without weights: c = sigmoid(f) cont c_prev + sigmoid(i) tanh(g), h = sigmoid(o) tanh(c).

    Bottoms: c_prev, 1 x N x D; the gates i, f, o, g, 1 x N x 4D; cont, 1 x N. Tops: c and h, each 1 x N x D.
    flops: 27 for each value of h (three Sigmoid of 4, two TanH of 5, 4 products, a sum). PyTorch: nn.LSTMCell
    holds weights, and takes the gates in the order i, f, g, o.

    Source: Caffe, src/caffe/layers/lstm_unit_layer.cpp.
    """

    bottoms = (3, 3)
    tops = (2, 2)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        before, gates, cont = bottoms
        if len(before) != 3 or before[0] != 1:
            raise NetgenError(f"the first bottom, c_prev, must be 1 x streams x cells, got {text(before)}")
        wanted = (1, before[1], 4 * before[2])
        if gates != wanted:
            raise NetgenError(f"the second bottom, the gates, must be {text(wanted)}, got {text(gates)}")
        if cont != before[:2]:
            raise NetgenError(f"the third bottom, cont, must be {text(before[:2])}, got {text(cont)}")
        return [before, before]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 27 * count(tops[1])

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.recurrent import lstm_unit

        return Function(lstm_unit)
