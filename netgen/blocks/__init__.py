"""Blocks that networks are made of, as plain functions over the builder: ``block(net, ...)`` returns what it ends on.

Write your own in the same style: a function whose first argument is the net, with ``@block`` above it, that returns the
blob (or, for several ends, the tuple of blobs) that it ends on. The net goes on from there, and that is checked. A file
here holds the blocks of a family.
"""

from netgen.blocks.common import classifier, conv_block
from netgen.blocks.declare import block
from netgen.blocks.pelee import dense, stem, transition

__all__ = ["block", "classifier", "conv_block", "dense", "stem", "transition"]
