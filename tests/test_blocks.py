from __future__ import annotations

import pytest

import netgen
from netgen.blocks import classifier, conv_block, dense, stem, transition


def net() -> netgen.Net:
    return netgen.Net("n").input(1, 3, 64, 64)


def test_blocks_end_where_they_say() -> None:
    built = net()
    assert stem(built, 32) == built.last
    assert built.last.name == "stem"
    assert dense(built, 32, 16, name="d").name == "d"
    assert built.layers["d"].bottoms == ("stem", "d/a2", "d/b3")
    assert transition(built, 64, name="t").name == "t/pool"
    assert transition(built, 64, name="u", pool=None).name == "u"
    assert conv_block(built, 8, 3, name="c", relu=False).layer == "c/scale"
    assert classifier(built, 10).name == "prob"


def test_a_block_is_a_link_of_a_chain() -> None:
    built = net().apply(conv_block, 8, 3, name="c").pool(name="p")
    assert built.layers["p"].bottoms == ("c",)


def test_a_block_that_leaves_last_elsewhere_is_caught() -> None:
    @netgen.block
    def forgetful(net: netgen.Net) -> netgen.Blob:
        end = net.conv(8, 3, name="main").last
        net.conv(8, 1, name="side", bottom="data")
        return end

    with pytest.raises(netgen.NetgenError) as error:
        forgetful(net())
    assert str(error.value) == (
        "block 'forgetful': returns <Blob 'main' of layer 'main'> but leaves net.last at <Blob 'side' of layer 'side'>; "
        "go there with net.at(...) before returning, or return net.last"
    )


def test_a_block_that_returns_a_stale_blob_is_caught() -> None:
    @netgen.block
    def stale(net: netgen.Net) -> netgen.Blob:
        end = net.conv(8, 3, name="main").last
        net.relu()
        return end

    with pytest.raises(
        netgen.NetgenError, match=r"returns <Blob 'main' of layer 'main'> but leaves net.last at <Blob 'main' of"
    ):
        stale(net())


def test_a_block_must_return_blobs() -> None:
    @netgen.block
    def silent(net: netgen.Net) -> netgen.Blob:
        net.conv(8, 3)
        return None  # type: ignore[return-value]

    with pytest.raises(netgen.NetgenError) as error:
        silent(net())
    assert str(error.value) == (
        "block 'silent': must return the blob that it ends on, got None; end it with 'return net.last'"
    )


def test_a_block_with_several_ends_goes_on_from_its_last() -> None:
    @netgen.block
    def heads(net: netgen.Net) -> tuple[netgen.Blob, ...]:
        start = net.last
        return tuple(net.at(start).conv(8, 1, name=name).last for name in ("loc", "conf"))

    built = net()
    loc, conf = heads(built)
    assert (loc.name, conf.name, built.last) == ("loc", "conf", conf)
