"""Darknet's files: ``.cfg`` and ``.weights`` become Caffe networks with the same numbers.

``cfg`` reads the text, ``table`` names the translator of each section, ``load`` walks them, ``weights`` reads the
floats. The translators are in files by what they do: convolutions, pooling, joins, moving, plain, activations, heads.
"""

from netgen.darknet.load import Darknet, DarknetLayer, load_darknet
from netgen.darknet.translation import Head

__all__ = ["Darknet", "DarknetLayer", "Head", "load_darknet"]
