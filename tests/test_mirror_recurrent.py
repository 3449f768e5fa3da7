"""The hidden state of the mirror's recurrent layers, between forwards and between modes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mirrors import mirror_of

torch: Any = pytest.importorskip("torch")


def mirror(kind: str, steps: int = 4) -> Any:
    made = mirror_of(f'type: "{kind}" recurrent_param {{ num_output: 3 }}', (steps, 2, 5), (steps, 2))
    for i, slot in enumerate(made.slots.values()):
        slot.write(torch.randn(slot.read().shape, generator=torch.Generator().manual_seed(i)))
    return made


def steps(count: int) -> Any:
    return torch.randn(count, 2, 5, generator=torch.Generator().manual_seed(7))


def test_without_breaks_it_is_the_lstm_of_torch() -> None:
    made, theirs = mirror("LSTM"), torch.nn.LSTM(5, 3)
    with torch.no_grad():
        for name, ours in (("weight_ih_l0", "weight_x"), ("weight_hh_l0", "weight_h"), ("bias_ih_l0", "bias")):
            i, f, o, g = getattr(made.it, ours).chunk(4)
            getattr(theirs, name).copy_(torch.cat([i, f, g, o]))
        theirs.bias_hh_l0.zero_()
    x = steps(4)
    assert torch.allclose(made(x, torch.ones(4, 2)), theirs(x)[0], atol=1e-6)


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_a_forward_goes_on_where_the_last_one_ended(kind: str) -> None:
    x = steps(8)
    whole = mirror(kind, 8)(x, torch.ones(8, 2))
    halves = mirror(kind)
    first, second = halves(x[:4], torch.ones(4, 2)), halves(x[4:], torch.ones(4, 2))
    assert torch.allclose(torch.cat([first, second]), whole, atol=1e-6)
    assert not torch.allclose(halves(x[:4], torch.ones(4, 2)), first, atol=1e-3)
    halves.it.reset()
    assert torch.equal(halves(x[:4], torch.ones(4, 2)), first)


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_cont_0_begins_anew(kind: str) -> None:
    x, cont = steps(4), torch.ones(4, 2)
    made = mirror(kind)
    first = made(x, cont)
    cont[0, 1] = 0
    again = made(x, cont)
    assert torch.allclose(again[:, 1], first[:, 1], atol=1e-6)
    assert not torch.allclose(again[:, 0], first[:, 0], atol=1e-3)


def test_another_number_of_streams_begins_anew() -> None:
    made, x = mirror("LSTM"), steps(4)
    first = made(x, torch.ones(4, 2))
    three = made(torch.cat([x, x[:, :1]], 1), torch.ones(4, 3))
    assert torch.allclose(three[:, :2], first, atol=1e-6)


def test_the_state_is_no_weight_and_holds_no_graph() -> None:
    made, x = mirror("LSTM"), steps(4)
    for _ in range(2):
        # A second backward would go through the first graph, were the state not cut off from it.
        made(x, torch.ones(4, 2)).sum().backward()
    assert list(made.state_dict()) == ["it.weight_x", "it.bias", "it.weight_h"]
    assert [tuple(each.shape) for each in made.buffers()] == [(2, 3), (2, 3)]
    assert not any(each.requires_grad for each in made.buffers())


def test_a_state_from_inference_mode_may_be_trained_on() -> None:
    made, x = mirror("RNN"), steps(4)
    with torch.inference_mode():
        made(x, torch.ones(4, 2))
    made.train()
    made(x, torch.ones(4, 2)).sum().backward()
    assert made.it.weight_h.grad.count_nonzero()


def test_no_state_is_kept_from_meta() -> None:
    made = mirror("LSTM").to("meta")
    made(torch.empty(4, 2, 5, device="meta"), torch.empty(4, 2, device="meta"))
    assert list(made.buffers()) == []


def test_what_is_static_is_seen_at_every_step() -> None:
    made = mirror_of('type: "LSTM" recurrent_param { num_output: 3 }', (4, 2, 5), (4, 2), (2, 2))
    wide = mirror_of('type: "LSTM" recurrent_param { num_output: 3 }', (4, 2, 7), (4, 2))
    for i, slot in enumerate(made.slots.values()):
        slot.write(torch.randn(slot.read().shape, generator=torch.Generator().manual_seed(i)))
    own: Any = made.it
    for slot, weight in zip(
        wide.slots.values(), (torch.cat([own.weight_x, own.weight_static], 1), own.bias, own.weight_h), strict=True
    ):
        slot.write(weight.detach())
    x, cont, static = steps(4), torch.ones(4, 2), torch.tensor([[1.0, -2], [0.5, 3]])
    top = wide(torch.cat([x, static.expand(4, 2, 2)], 2), cont)
    assert torch.allclose(made(x, cont, static), top, atol=1e-6)


def test_a_mirror_forgets_the_states_of_all_its_layers() -> None:
    mirror = mirror_of(
        'type: "LSTM" recurrent_param { num_output: 2 weight_filler { type: "xavier" } }', (3, 1, 4), (3, 1)
    )
    inputs = {"a": torch.ones(3, 1, 4), "b": torch.ones(3, 1)}
    first = mirror(inputs)
    assert not torch.equal(mirror(inputs), first)
    mirror.reset()
    assert torch.equal(mirror(inputs), first)
