"""Weights in Caffe's HDF5 snapshots (net.cpp, ToHDF5): the dataset ``/data/<layer>/<index>`` for each.

A slash in a layer's name nests groups, as HDF5 has it. Caffe writes a weight that layers share once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from netgen.errors import NetgenError, ParseError, needed
from netgen.files import writing
from netgen.weightfiles.npz import Room
from netgen.weights import array_of, key_of, split_key

if TYPE_CHECKING:
    from netgen.layers.base import Shape
    from netgen.weights import Array, Weights

_DAMAGE = (OSError, KeyError, RuntimeError, ValueError, TypeError)


def read(name: str, expected: Mapping[str, Shape] | None) -> Weights:
    """The weights in an HDF5 snapshot; of what it refers to outside itself nothing is read."""
    h5py = needed("h5py", "hdf5", name)
    weights: Weights = {}
    room = Room(os.path.getsize(name), expected)
    try:
        with h5py.File(name, "r") as file:
            if not isinstance(file.get("data"), h5py.Group):
                raise ParseError(name, 0, 0, "there is no group 'data' in it, so it is no snapshot of Caffe's")
            for path, dataset in _datasets(h5py, file["data"]):
                layer, _, index = path.rpartition("/")
                try:
                    key = key_of(*split_key(f"{layer}:{index}"))
                    weights[key] = _array(dataset, key, room)
                except NetgenError as error:
                    raise ParseError(name, 0, 0, f"/data/{path}: {error}") from None
    except _DAMAGE as error:
        raise ParseError(name, 0, 0, f"this is no whole HDF5 file: {error}") from None
    return weights


def _datasets(h5py: Any, data: Any) -> Iterator[tuple[str, Any]]:
    """The datasets with their paths, in the order in which they were made where the file keeps it, else by name."""
    stack, seen = [("", data)], set()
    while stack:
        path, node = stack.pop()
        if isinstance(node, h5py.Dataset):
            yield path, node
            continue
        place = h5py.h5o.get_info(node.id).addr
        if place in seen:
            raise ValueError(f"the group /data/{path} is there under two names")
        seen.add(place)
        children = []
        for child in node:
            inner = f"{path}/{child}" if path else child
            if not isinstance(node.get(child, getlink=True), h5py.HardLink):
                raise ValueError(f"/data/{inner} is a link to another place")
            children.append((inner, node[child]))
        stack += reversed(children)


def _array(dataset: Any, key: str, room: Room) -> Array:
    if dataset.shape is None or dataset.dtype.kind not in "fiu":
        raise NetgenError(f"it must be an array of numbers, got {dataset.dtype}")
    if dataset.external or dataset.is_virtual:
        raise NetgenError("its values lie in another file, which is not read")
    room.take(key, dataset.shape, dataset.dtype.itemsize)
    return array_of(key, np.asarray(dataset[()]))


def write(weights: Mapping[str, Array], name: str) -> None:
    """Write an HDF5 snapshot as Caffe does; the order of the layers is kept beside their names."""
    h5py = needed("h5py", "hdf5", name)
    paths = {key: "{}/{}".format(*split_key(key)) for key in weights}
    _check_paths(paths)
    with writing(name) as out, h5py.File(out, "w", track_order=True) as file:
        data = file.create_group("data", track_order=True)
        for key, path in paths.items():
            group = data
            for part in path.split("/")[:-1]:
                group = group[part] if part in group else group.create_group(part, track_order=True)
            group.create_dataset(path.rpartition("/")[2], data=weights[key])


def _check_paths(paths: Mapping[str, str]) -> None:
    """Refuse layer names that HDF5 cannot tell apart, or takes for other places."""
    groups = {path[:i] for path in paths.values() for i, letter in enumerate(path) if letter == "/"}
    for key, path in paths.items():
        if not {"", "."}.isdisjoint(path.split("/")) or "\0" in path:
            raise NetgenError(f"weight {key!r}: an HDF5 file cannot hold a layer of that name; write .npz")
        if path in groups:
            raise NetgenError(
                f"weight {key!r}: in an HDF5 file it and a layer {path!r} would have one place; write .npz"
            )
