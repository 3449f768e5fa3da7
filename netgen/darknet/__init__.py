"""Darknet's files: ``.cfg`` and ``.weights`` become Caffe networks with the same numbers.

``cfg`` reads the text, ``table`` names the translator of each section, ``load`` walks them, ``weights`` reads the
floats. The translators are in files by what they do: convolutions, pooling, joins, moving, plain, activations, heads.
``export`` goes the other way: ``outgoing`` holds the sections so far, ``sections``, ``joined``, ``cuts`` and ``own``
translate Caffe's types, ``compositions`` the layers that an import makes of one section (``patterns`` finds them),
``head_sections`` writes the heads.
"""

from netgen.darknet.export import export_darknet
from netgen.darknet.load import Darknet, DarknetLayer, load_darknet
from netgen.darknet.translation import Head

__all__ = ["Darknet", "DarknetLayer", "Head", "export_darknet", "load_darknet"]
