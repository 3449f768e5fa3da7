"""Receptive fields against the gradients of random networks: which inputs move a value."""

from __future__ import annotations

import random
from typing import Any

import pytest

import netgen

torch: Any = pytest.importorskip("torch")

SIDE = 96


def random_net(rng: random.Random) -> netgen.Net:
    """A few layers on one channel, with weights of 1, so that no gradient cancels another."""
    net, blobs = netgen.Net().input(1, 1, SIDE, SIDE), ["data"]
    for i in range(rng.randrange(2, 7)):
        kernel, stride, bottom = rng.choice((1, 2, 3, 3, 5)), rng.choice((1, 1, 2, 3)), rng.choice(blobs[-2:])
        pad, dilation = rng.randrange(kernel), rng.choice((1, 1, 2, 3))
        window: dict[str, Any] = {"kernel_size": [kernel], "stride": [stride], "pad": [pad], "dilation": [dilation]}
        weighted: dict[str, Any] = {"num_output": 2, "weight_filler": 1.0}
        kinds: list[tuple[str, dict[str, Any]]] = [
            ("Convolution", {**weighted, **window}),
            ("Convolution", {**weighted, "kernel_h": kernel, "kernel_w": 3, "stride_h": stride, "stride_w": 1}),
            ("Deconvolution", {**weighted, **window, "dilation": [1]}),
            ("Pooling", {"pool": "AVE", "kernel_size": kernel, "stride": stride, "pad": pad}),
            ("AbsVal", {}),
            ("Concat", {"bottom": [bottom, rng.choice(blobs)]}),
            ("Eltwise", {"bottom": [bottom, rng.choice(blobs)]}),
        ]
        kind, fields = rng.choice(kinds)
        longer = netgen.parse_prototxt(net.to_prototxt())
        longer.layer(kind, name=f"l{i}", top=f"l{i}", **{"bottom": bottom, **fields})
        try:
            netgen.infer_shapes(longer)
        except netgen.NetgenError:
            continue  # shapes that do not fit each other
        net = longer
        blobs.append(f"l{i}")
    return net


def seen(image: Any, blob: Any) -> tuple[int, int]:
    """The largest height and width that one of 6 x 6 values in the middle of a blob sees, of all places in a stride."""
    most = [0, 0]
    for y in range(blob.shape[2] // 2, min(blob.shape[2], blob.shape[2] // 2 + 6)):
        for x in range(blob.shape[3] // 2, min(blob.shape[3], blob.shape[3] // 2 + 6)):
            (gradient,) = torch.autograd.grad(blob[0, :, y, x].sum(), image, retain_graph=True)
            for axis in (0, 1):
                places = gradient[0, 0].sum(1 - axis).nonzero()
                most[axis] = max(most[axis], int(places.max() - places.min()) + 1 if len(places) else 0)
    return most[0], most[1]


@pytest.mark.parametrize("seed", range(25))
def test_what_a_value_sees(seed: int) -> None:
    net = random_net(random.Random(seed))
    image = torch.ones(1, 1, SIDE, SIDE, requires_grad=True)
    blobs = netgen.to_torch(net, seed=1)(image, blobs="all")
    for name, sight in netgen.analyze(net).sights.items():
        if sight is None or blobs[name] is image:
            continue
        field = seen(image, blobs[name])
        assert all(found <= said for found, said in zip(field, sight.field, strict=True)), name
        # Fields as large as this lie within the image, wherever in its middle.
        assert field == sight.field or max(sight.field) > SIDE // 3, name
