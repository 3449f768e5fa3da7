"""Recurrent layers over time x streams x features, and their hidden state."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def lstm_unit(before: Tensor, gates: Tensor, cont: Tensor) -> tuple[Tensor, Tensor]:
    """LSTMUnit: c = cont sigmoid(f) c_prev + sigmoid(i) tanh(g) and h = sigmoid(o) tanh(c) (lstm_unit_layer.cpp).

    ``before``, c_prev, is ... x D, the gates i, f, o, g ... x 4D, and ``cont`` the shape without the last axis. No
    gradient goes to ``cont``.
    """
    i, f, o, g = gates.chunk(4, -1)
    cells = cont.detach().unsqueeze(-1) * f.sigmoid() * before + i.sigmoid() * g.tanh()
    return cells, o.sigmoid() * cells.tanh()


class Recurrent(nn.Module):
    """What RNN and LSTM have in common (recurrent_layer.cpp).

    Called with x, T x N x ..., and cont, T x N; then x_static, N x ..., where there is one; then, with
    ``expose_hidden``, the hidden state before, each blob 1 x N x D. Returns T x N x D, and with ``expose_hidden`` the
    state after. No gradient goes to cont, nor through the states among the bottoms and tops: Caffe's does not either.

    Without ``expose_hidden`` a forward goes on from the state in which the last one ended, wherever cont at the first
    step is not 0, as in Caffe; ``reset`` begins anew, and so does another number of streams. The state is no weight: it
    is in no state_dict. Unlike Caffe, any number of steps is taken.
    """

    hidden: tuple[str, ...] = ("h",)
    """The buffers of the hidden state, each N x D, or None before the first forward."""
    gates = 1
    """How often num_output the rows of the weights are."""

    weight_static: Tensor | None

    def __init__(self, inputs: int, outputs: int, static: int | None, *, expose_hidden: bool) -> None:
        super().__init__()
        rows = self.gates * outputs
        self.outputs, self.expose_hidden = outputs, expose_hidden
        self.weight_x = nn.Parameter(torch.zeros(rows, inputs))
        self.bias = nn.Parameter(torch.zeros(rows))
        self.register_parameter("weight_static", None if static is None else nn.Parameter(torch.zeros(rows, static)))
        self.weight_h = nn.Parameter(torch.zeros(rows, outputs))
        for name in self.hidden:
            self.register_buffer(name, None, persistent=False)

    def reset(self) -> None:
        """Forget the hidden state: the next forward begins with zeros (RecurrentLayer::Reset)."""
        for name in self.hidden:
            setattr(self, name, None)

    def forward(self, x: Tensor, cont: Tensor, *others: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The tops, as the class says."""
        inputs = functional.linear(x.flatten(2), self.weight_x, self.bias)
        given = list(others)
        if self.weight_static is not None:
            inputs = inputs + functional.linear(given.pop(0).flatten(1), self.weight_static)
        states = [each[0].detach() for each in given] if self.expose_hidden else self._kept(inputs)
        top, after = self.unrolled(inputs, cont.detach(), states)
        if self.expose_hidden:
            return top, *(each.detach().unsqueeze(0) for each in after)
        if not top.is_meta:
            for name, state in zip(self.hidden, after, strict=True):
                setattr(self, name, state.detach())
        return top

    def unrolled(self, inputs: Tensor, cont: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        """The top and the states after the last step; ``inputs`` is what the bottoms give each step, T x N x rows."""
        raise NotImplementedError

    def _kept(self, inputs: Tensor) -> list[Tensor]:
        zeros = inputs.new_zeros(inputs.shape[1], self.outputs)
        kept = [getattr(self, name) for name in self.hidden]
        return [zeros if each is None or not _is_alike(each, zeros) else each for each in kept]

    def extra_repr(self) -> str:
        """Features and outputs."""
        static = "" if self.weight_static is None else f", static={self.weight_static.shape[1]}"
        return f"{self.weight_x.shape[1]}, {self.outputs}{static}, expose_hidden={self.expose_hidden}"


class LSTM(Recurrent):
    """Caffe's LSTM (lstm_layer.cpp). Weights: W_x 4D x K, b 4D, [W_static 4D x S], W_h 4D x D; gates i, f, o, g."""

    hidden = ("h", "c")
    gates = 4

    def unrolled(self, inputs: Tensor, cont: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        """An LSTM unit for each step, over the gates that inputs and h give."""
        h, c = states
        steps = []
        for given, goes_on in zip(inputs.unbind(), cont.unbind(), strict=True):
            gates = given + functional.linear(h * goes_on.unsqueeze(-1), self.weight_h)
            c, h = lstm_unit(c, gates, goes_on)
            steps.append(h)
        return torch.stack(steps), (h, c)


class RNN(Recurrent):
    """Caffe's RNN (rnn_layer.cpp). Weights: W_x D x K, b_h D, [W_static D x S], W_h D x D, W_out D x D, b_out D."""

    def __init__(self, inputs: int, outputs: int, static: int | None, *, expose_hidden: bool) -> None:
        super().__init__(inputs, outputs, static, expose_hidden=expose_hidden)
        self.weight_out = nn.Parameter(torch.zeros(outputs, outputs))
        self.bias_out = nn.Parameter(torch.zeros(outputs))

    def unrolled(self, inputs: Tensor, cont: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        """A TanH of inputs and h for each step, and another over W_out for the top."""
        (h,) = states
        steps = []
        for given, goes_on in zip(inputs.unbind(), cont.unbind(), strict=True):
            h = (given + functional.linear(h * goes_on.unsqueeze(-1), self.weight_h)).tanh()
            steps.append(h)
        return functional.linear(torch.stack(steps), self.weight_out, self.bias_out).tanh(), (h,)


def _is_alike(state: Tensor, other: Tensor) -> bool:
    return state.shape == other.shape and state.device == other.device and state.dtype == other.dtype
