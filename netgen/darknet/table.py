"""Which function translates which section (src/parser.c, string_to_layer_type), and which sections are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from netgen.darknet import convolutions, heads, joins, moving, plain, pooling

if TYPE_CHECKING:
    from netgen.darknet.cfg import Section
    from netgen.darknet.translation import Translation, Value

Translator = Callable[["Translation", "Section", "Value"], "Value"]

SECTIONS: dict[str, tuple[str, Translator]] = {
    "convolutional": ("conv", convolutions.convolutional),
    "connected": ("fc", convolutions.connected),
    "local": ("local", convolutions.local),
    "batchnorm": ("norm", convolutions.batchnorm),
    "maxpool": ("maxpool", pooling.maxpool),
    "avgpool": ("avgpool", pooling.avgpool),
    "local_avgpool": ("avgpool", pooling.local_avgpool),
    "route": ("route", joins.route),
    "shortcut": ("shortcut", joins.shortcut),
    "scale_channels": ("scaled", joins.scale_channels),
    "sam": ("sam", joins.sam),
    "upsample": ("upsample", moving.upsample),
    "reorg": ("reorg", moving.reorg),
    "reorg3d": ("reorg", moving.reorg3d),
    "crop": ("crop", moving.crop),
    "softmax": ("softmax", plain.softmax),
    "activation": ("act", plain.activation),
    "logistic": ("logistic", plain.logistic),
    "l2norm": ("l2norm", plain.l2norm),
    "normalization": ("lrn", plain.normalization),
    "dropout": ("drop", plain.dropout),
    "cost": ("cost", plain.passed),
    "empty": ("empty", plain.passed),
    "yolo": ("yolo", heads.yolo),
    "gaussian_yolo": ("yolo", heads.gaussian_yolo),
    "region": ("region", heads.region),
    "detection": ("detection", heads.detection),
}
"""Of each section, what its last layer is called behind its number, and its translator."""

ALIASES = {
    "network": "net",
    "conv": "convolutional",
    "conn": "connected",
    "max": "maxpool",
    "avg": "avgpool",
    "local_avg": "local_avgpool",
    "soft": "softmax",
    "lrn": "normalization",
    "silence": "empty",
    "Gaussian_yolo": "gaussian_yolo",
}

_STATE = "it keeps a state from one image to the next, and netgen's networks are feed-forward"
REFUSED = {
    "rnn": _STATE,
    "crnn": _STATE,
    "gru": _STATE,
    "lstm": _STATE,
    "conv_lstm": _STATE,
    "history": _STATE,
    "iseg": "its output is for a decoder that netgen lacks",
    "implicit": "its output is learned and reads no layer",
    "contrastive": "it is for training alone",
    "deconv": "Darknet itself cannot load its weights",
    "deconvolutional": "Darknet itself cannot load its weights",
}
"""Sections that Darknet knows and netgen does not translate, and why."""

_LATER = (
    "absolute bias_match noobject_scale object_scale class_scale coord_scale mask_scale rescore jitter random "
    "thresh max ignore_thresh truth_thresh iou_thresh iou_loss iou_thresh_kind iou_normalizer obj_normalizer "
    "cls_normalizer uc_normalizer delta_normalizer max_delta nms_kind beta_nms resize label_smooth_eps "
    "focal_loss show_details counters_per_class track track_history_size sim_thresh dets_for_track "
    "dets_for_show track_ciou_norm embedding_layer track_lvl_index map joint classfix reorg forced type scale "
    "ratio flip angle saturation exposure shift truth onlyforward stopbackward dontsave dontload numload "
    "dontloadscales learning_rate smooth clip probability dropblock dropblock_size_rel dropblock_size_abs "
    "noloss log spatial xnor bin_output binary wait_stream assisted_excitation deform sway rotate stretch "
    "stretch_sway coordconv grad_centr only_forward burnin_update objectness_smooth bias_term pad"
)
LATER = frozenset(_LATER.split())
"""Keys of Darknet's that are for training or drawing, and change no forward pass."""
