"""The fluent builder: ``Net`` and its verbs. Every verb adds a layer, checks it on the spot, and returns the net.

The short verbs (``conv``, ``bn``, ``pool``, ``fc``, ...) write the fields that generators of Caffe files write; the
verbs derived from the types (``convolution``, ``batch_norm``, ``softmax_with_loss``, ...) write what they are given.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from netgen.branching import Blob, Fork, Scope
from netgen.errors import NetgenError, did_you_mean
from netgen.fields import is_text, shown
from netgen.graph import EMPTY, Fields, Graph, Layer
from netgen.layers.index import VERBS
from netgen.rules import RULES, LayerRule, rule_of
from netgen.verbs import Verbs
from netgen.wiring import Wirings


class Net(Verbs, Graph):
    """A network under construction: verbs add layers, ``last`` is the blob that the next one reads.

    >>> net = Net("tiny").input(1, 3, 32, 32).conv(8, 3, name="conv1").bn(scale=True).relu().pool()
    >>> [layer.name for layer in net.layers]
    ['data', 'conv1', 'conv1/bn', 'conv1/scale', 'conv1/relu', 'pool1']
    >>> net.last
    <Blob 'pool1' of layer 'pool1'>

    Every layer type has a verb, its name in snake case (``dir(net)``, ``help(net.prior_box)``); the short verbs write
    what generators of Caffe files write. A layer that Caffe would refuse by its names or fields raises NetgenError when
    it is made, and is not added; shapes are for ``netgen.infer_shapes`` and ``netgen.analyze``.
    """

    # Blob names point at the layer that wrote them last, by its index (-1: an input of the net); Blob objects are made
    # for those who ask. A table of objects would cost the garbage collector more than the layers themselves.
    __slots__ = (
        "_built",
        "_counts",
        "_last",
        "_last_writer",
        "_names",
        "_overwriters",
        "_scope",
        "_wirings",
        "_writers",
    )

    def __init__(self, name: str = "", graph: Graph | None = None) -> None:
        if not isinstance(name, str) or not is_text(name):
            raise NetgenError(f"the name of a net must be a string, got {shown(name)}")
        if graph is None:
            super().__init__(name)
        else:
            super().__init__(name or graph.name, graph.layers, graph.params, graph.notes)
        self._scope = ""
        self._counts: dict[str, int] = {}
        self._names: set[str] = set()
        self._writers: dict[str, int] = {}
        self._overwriters: dict[str, int] = {}
        self._last: tuple[str, ...] = ()
        self._last_writer = -1
        self._wirings: Wirings | None = None
        self._built = graph is None
        if graph is None:
            self._wire()

    @property
    def wired(self) -> bool:
        """Whether all layers were checked as they were added, and none is left out of any state."""
        return self._built and self._wirings is not None and not self._wirings.ruled

    def _wire(self) -> Wirings:
        """Take in the layers that are there already: a net that was read needs it only if layers are added."""
        self._wirings = Wirings(self)
        for each in self.inputs:
            self._writers[each] = -1
            self._last = (each,)
        for index, layer in enumerate(self._layers):
            self._take(layer, index)
        return self._wirings

    # Where the next layer goes

    @property
    def last(self) -> Blob:
        """The blob that the next layer reads: the first top of the last layer, or what ``at`` chose."""
        return Blob(self._last_name(), self._last_writer, self)

    def _last_name(self) -> str:
        if self._wirings is None:
            self._wire()
        if not self._last:
            raise NetgenError(f"net {self.name!r} has no blob yet; begin with net.input(...) or a data layer")
        return self._last[0]

    def at(self, bottom: Blob | str) -> Net:
        """Go on from another blob: the next layer reads ``bottom``."""
        name = self._resolve(bottom)
        self._last = (name,)
        self._last_writer = bottom.index if isinstance(bottom, Blob) else self._writers[name]
        return self

    def blob(self, name: str) -> Blob:
        """The blob that now has this name; within a scope, the scope's own first."""
        found = self._resolve(name)
        return Blob(found, self._writers[found], self)

    def fork(self, *branches: Callable[[Net], object]) -> Fork:
        """Build several branches that all begin at ``last``; join them with ``.concat(...)`` or another verb.

        >>> net = Net().input(1, 8, 16, 16, name="x")
        >>> net.fork(lambda n: n.conv(4, 1, name="a"), lambda n: n.conv(4, 3, name="b")).concat(name="ab").last
        <Blob 'ab' of layer 'ab'>
        """
        start = self.last
        ends = []
        for branch in branches:
            if not callable(branch):
                raise NetgenError(f"fork: each branch must be a function of the net, got {shown(branch)}")
            self.at(start)
            branch(self)
            ends.append(self.last)
        return Fork(self, ends)

    def scope(self, name: str) -> Scope:
        """Within ``with net.scope("stage1"):`` the names of layers and tops begin with ``stage1/``; scopes nest."""
        if not isinstance(name, str) or not name:
            raise NetgenError(f"scope: the name must be a string that is not empty, got {shown(name)}")
        return Scope(self, name)

    def apply(self, block: Callable[..., object], *args: Any, **kwargs: Any) -> Net:
        """``block(net, ...)`` as a link of a chain of verbs."""
        block(self, *args, **kwargs)
        return self

    # Layers

    def layer(
        self,
        type: str,
        *,
        name: str | None = None,
        bottom: Any = None,
        top: str | Iterable[str] | None = None,
        in_place: bool | None = None,
        params: Fields | None = None,
        **fields: Any,
    ) -> Net:
        """Add a layer of any type.

        ``bottom`` is a blob, a name or a list of them (``last`` by default), ``top`` one name or several (the layer's
        name by default). Types that people write in place (ReLU, BatchNorm, ...) are so unless ``in_place=False`` or
        a top is given. ``fields`` are those of the type's own message, of LayerParameter, or whole messages:
        ``num_output=32``, ``include="TRAIN"``, ``convolution_param={"num_output": 32}``. A filler may be its type
        alone; ``lr_mult``, ``decay_mult`` and ``param_name`` take one value for all weights or one for each.
        ``params`` are instead all fields of another layer, as they are: ``net.layer(old.type, params=old.params)``.
        Raises NetgenError, and adds nothing, when a field or a name is not right.
        """
        wirings = self._wirings or self._wire()
        full_name = name
        try:
            rule = RULES.get(type) or rule_of(type)
            # What ``last`` holds is never stale: whoever overwrites a blob becomes the last one.
            if bottom is None and self._last and rule.bottoms[1] != 0:
                bottoms = self._last
            else:
                bottoms = self._bottoms(bottom, rule)
            if in_place is None:
                in_place = rule.in_place and len(bottoms) == 1 and top is None and not self._is_source(bottoms[0])
            full_name = self._layer_name(rule, name, bottoms, in_place)
            if top is None:
                top_names = bottoms[:1] if in_place else (full_name,) if rule.tops[1] != 0 else ()
            else:
                top_names = self._top_names(top)
            if params is None:
                params = rule.params(fields) if fields or rule.required else EMPTY
            else:
                _check_whole(params, fields)
            layer = Layer(full_name, type, bottoms, top_names, params)
            rule.check_counts(layer)
            wirings.add(layer)
        except NetgenError as error:
            where = f"layer {full_name!r} ({type})" if full_name else f"layer of type {type}"
            raise NetgenError(f"{where}: {error}") from None
        self._take(layer, len(self._layers))
        self._layers.append(layer)
        return self

    def __getattr__(self, verb: str) -> Callable[..., Net]:
        if verb.startswith("_"):
            raise AttributeError(f"a net has no attribute {verb!r}")
        type_name = VERBS.get(verb)
        if type_name is None:
            raise UnknownVerbError(f"a net has no verb {verb!r}{did_you_mean(verb, dir(self))}")
        function = _verb(verb, type_name)
        setattr(Net, verb, function)
        return function.__get__(self)  # type: ignore[no-any-return]

    def __dir__(self) -> list[str]:
        return sorted({name for name in super().__dir__() if not name.startswith("_")} | set(VERBS))

    # In notebooks

    def _repr_svg_(self) -> str | None:
        """A drawing with repeated blocks folded, where Graphviz is installed."""
        from netgen.drawing.notebook import svg

        return svg(self)

    def _repr_html_(self) -> str:
        """The same, or else the table of the layers and why there is no drawing."""
        from netgen.drawing.notebook import html

        return html(self)

    # Text

    def to_prototxt(self, templates: str | os.PathLike[str] | None = None) -> str:
        """The network as prototxt text; ``templates`` is a folder whose ``net.prototxt.j2`` goes before netgen's."""
        from netgen.prototxt import write

        return write(self, templates)

    def save(self, path: str | os.PathLike[str], templates: str | os.PathLike[str] | None = None) -> None:
        """Write the prototxt to a file, whole or not at all."""
        from netgen.files import write_file

        write_file(path, self.to_prototxt(templates))

    # How names become blobs

    def _resolve(self, bottom: Blob | str) -> str:
        """The full name of a blob; raises NetgenError for one that is not there, or not as it was."""
        if self._wirings is None:
            self._wire()
        if isinstance(bottom, Blob):
            return self._current(bottom)
        if not isinstance(bottom, str):
            raise NetgenError(f"a bottom must be a blob or a name, got {shown(bottom)}")
        scope = self._scope
        while scope:
            if scope + bottom in self._writers:
                return scope + bottom
            scope = scope[: scope.rfind("/", 0, -1) + 1]
        if bottom not in self._writers:
            raise NetgenError(f"no layer makes a blob {bottom!r}{did_you_mean(bottom, self._writers)}")
        return bottom

    def _current(self, blob: Blob) -> str:
        if blob.net is not self:
            raise NetgenError(f"blob {blob.name!r} belongs to another net; give one of this net, or its name")
        overwriter = self._overwriters.get(blob.name, -1)
        if overwriter > blob.index:
            raise NetgenError(
                f"blob {blob.name!r} of layer {blob.layer!r} was overwritten in place by layer "
                f"{self._layers[overwriter].name!r}; read it before that layer, give that layer in_place=False, or use "
                f"the name {blob.name!r} for what it holds now"
            )
        return blob.name

    def _is_source(self, name: str) -> bool:
        """Whether a blob comes from an input, which an in-place layer would change for every later forward."""
        writer = self._writers[name]
        return writer < 0 or not self._layers[writer].bottoms

    def _bottoms(self, bottom: Any, rule: LayerRule) -> tuple[str, ...]:
        if bottom is None:
            return () if rule.bottoms[0] == 0 else (self._last_name(),)
        if isinstance(bottom, Fork):
            bottom = bottom.ends
        if isinstance(bottom, str | Blob):
            bottom = (bottom,)
        elif not isinstance(bottom, Iterable):
            raise NetgenError(f"bottom must be a blob, a name or a list of them, got {shown(bottom)}")
        return tuple([self._resolve(each) for each in bottom])

    def _layer_name(self, rule: LayerRule, name: str | None, bottoms: tuple[str, ...], in_place: bool) -> str:
        if in_place and not bottoms:
            raise NetgenError("in_place needs a bottom to write, got none")
        if name is not None:
            if not isinstance(name, str) or not name or not is_text(name):
                raise NetgenError(f"the name must be a string that is not empty, got {shown(name)}")
            return self._scope + name
        if in_place:
            return self._free_name(f"{bottoms[0]}/{rule.short}", alone=True)
        stem = "data" if rule.type == "Input" else rule.short
        return self._free_name(self._scope + stem, alone=rule.bottoms[1] == 0)

    def _free_name(self, stem: str, *, alone: bool) -> str:
        """``stem`` with the next number that makes it new; without one the first time, if it may stand alone."""
        if alone and stem not in self._names:
            return stem
        count = self._counts.get(stem, int(alone))
        while True:
            count += 1
            if f"{stem}{count}" not in self._names:
                self._counts[stem] = count
                return f"{stem}{count}"

    def _top_names(self, top: str | Iterable[str]) -> tuple[str, ...]:
        names = (top,) if isinstance(top, str) else tuple(top)
        for each in names:
            if not isinstance(each, str) or not each or not is_text(each):
                raise NetgenError(f"a top must be a string that is not empty, got {shown(each)}")
        return tuple(self._scope + each for each in names)

    def _take(self, layer: Layer, index: int) -> None:
        self._names.add(layer.name)
        tops = layer.tops
        for top in tops:
            if top in layer.bottoms:
                self._overwriters[top] = index
            self._writers[top] = index
        if tops:
            self._last = tops[:1]
            self._last_writer = index


def _check_whole(params: object, fields: dict[str, Any]) -> None:
    if fields or not isinstance(params, Fields):
        raise NetgenError("params must be another layer's params, with no field beside them; give fields by name")


class UnknownVerbError(NetgenError, AttributeError):
    """A net has no attribute or verb of that name."""


def _verb(verb: str, type_name: str) -> Callable[..., Net]:
    def add(self: Net, bottom: Any = None, **fields: Any) -> Net:
        return self.layer(type_name, bottom=bottom, **fields)

    add.__name__ = add.__qualname__ = verb
    add.__doc__ = rule_of(type_name).describe()
    return add
