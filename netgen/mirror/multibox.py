"""The SSD fork's loss: priors matched to ground truth, hard examples mined, the losses of place and class added."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from netgen.errors import NetgenError
from netgen.mirror.boxes import decode, encode, overlaps, ranked, sizes, suppress
from netgen.mirror.detection import priors_of, wide
from netgen.mirror.function import ByValue

if TYPE_CHECKING:
    from netgen.layers.base import Shape

LEAST = 1e-6
"""The overlap from which boxes meet at all (MatchBBox)."""
UNMATCHED, IGNORED = -1, -2
FLT_MIN = torch.finfo(torch.float32).tiny


class Truth(NamedTuple):
    """The ground truth of N images, padded to the G boxes of the fullest one (GetGroundTruth)."""

    boxes: Tensor
    """N x G x 4."""
    labels: Tensor
    """N x G, whole numbers."""
    there: Tensor
    """N x G, whether there is such a box."""

    def labels_of(self, matches: Tensor) -> Tensor:
        """The labels of the boxes that are matched, UNMATCHED for none; N x L x P."""
        found = self.labels[:, None].expand(-1, matches.shape[1], -1).gather(2, matches.clamp(min=0))
        return torch.where(matches > UNMATCHED, found, UNMATCHED)


class MultiBoxLoss(ByValue):
    """The loss of locations, N x 4 P L, and scores, N x P C, for priors, 1 x 2 x 4P, and boxes, 1 x 1 x G x 8.

    The fields of MultiBoxLossParameter are arguments, ``nms_param`` with its defaults or None; ``normalization`` is
    LossParameter's. ``adds`` tells whether the losses of place and class are added (propagate_down). The gradient goes
    to locations and scores. Of the examples with equal losses the first are mined; Caffe's sort leaves that open.

    Source: multibox_loss_layer.cpp, bbox_util.cpp.
    """

    def __init__(
        self,
        shapes: Callable[[Sequence[Shape]], list[Shape]],
        *,
        normalization: str,
        adds: tuple[bool, bool],
        **fields: Any,
    ) -> None:
        super().__init__(self._loss, shapes, **fields)
        self.normalization, self.adds = normalization, adds

    def _loss(self, locations: Tensor, scores: Tensor, priors: Tensor, truth: Tensor, **fields: Any) -> Tensor:
        boxes, variances = priors_of(priors.detach())
        batch, number, classes = locations.shape[0], boxes.shape[0], fields["num_classes"]
        each = wide(locations).reshape(batch, number, -1, 4).transpose(1, 2)
        rows = wide(scores).reshape(batch, number, classes)
        with torch.no_grad():
            known = ground_truth(truth, batch, fields)
            matches, nearest = self._matched(each, boxes, variances, known)
            negatives = torch.zeros_like(matches[:, 0], dtype=torch.bool)
            if fields["mining_type"] != "NONE":
                matches, negatives = self._mined(each, rows, boxes, variances, known, matches, nearest)
        matched = int((matches > UNMATCHED).sum())
        divisors = {"FULL": batch * number, "BATCH_SIZE": batch, "VALID": matched, "NONE": 1}
        divisor = max(divisors[self.normalization], 1)
        loss = locations.new_zeros(())
        if self.adds[0]:
            place = self._place_losses(each, boxes, variances, known, matches)[1].sum()
            loss = loss + fields["loc_weight"] * place / divisor
        if self.adds[1]:
            loss = loss + self._class_loss(rows, known.labels_of(matches), negatives) / divisor
        return loss.to(locations.dtype)

    def _matched(self, each: Tensor, boxes: Tensor, variances: Tensor, known: Truth) -> tuple[Tensor, Tensor]:
        """For N x L x P the box of the ground truth, UNMATCHED or IGNORED, and the overlap with the nearest one."""
        fields = self.fields
        heads = each.shape[1]
        of_head = torch.arange(heads, device=each.device)[:, None, None] == known.labels  # L x N x G
        of_head = of_head.transpose(0, 1) if heads > 1 else known.there[:, None]
        if fields["use_prior_for_matching"]:
            matches, nearest = match(boxes.expand(each.shape[0], -1, -1), known.boxes, known.there, fields)
            if heads == 1:
                return matches[:, None], nearest[:, None]
            mine = of_head.gather(2, matches.clamp(min=0)[:, None].expand(-1, heads, -1))
            matches = torch.where(mine & (matches[:, None] > UNMATCHED), matches[:, None], UNMATCHED)
            nearest = nearest[:, None].expand_as(matches)
        else:
            found = self._decoded(each, boxes, variances).flatten(0, 1)
            several = known.boxes.repeat_interleave(heads, 0)
            there = (of_head & known.there[:, None]).flatten(0, 1)
            matches, nearest = (both.view(-1, heads, both.shape[1]) for both in match(found, several, there, fields))
        background = fields["background_label_id"]
        if heads > 1 and 0 <= background < heads:
            matches = matches.index_fill(1, torch.tensor([background], device=matches.device), UNMATCHED)
        return matches, nearest

    def _decoded(self, each: Tensor, boxes: Tensor, variances: Tensor) -> Tensor:
        given = None if self.fields["encode_variance_in_target"] else variances
        return decode(each.detach(), boxes, given, self.fields["code_type"])

    def _mined(
        self,
        each: Tensor,
        rows: Tensor,
        boxes: Tensor,
        variances: Tensor,
        known: Truth,
        matches: Tensor,
        nearest: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The matches that are left, and the negatives, N x P (MineHardExamples); the locations are shared."""
        fields, own, hard = self.fields, matches[:, 0], self.fields["mining_type"] == "HARD_EXAMPLE"
        losses = self._class_losses(rows, known.labels_of(matches)[:, 0])
        if hard:
            at, place = self._place_losses(each, boxes, variances, known, matches)
            losses = losses.index_put((at[0], at[2]), place.sum(1), accumulate=True)
            eligible = known.there.any(1)[:, None].expand_as(own)
            wanted = torch.full_like(own[:, 0], fields["sample_size"])
        else:
            eligible = (own == UNMATCHED) & (nearest[:, 0] < fields["neg_overlap"]) & known.there.any(1)[:, None]
            positives = (own > UNMATCHED).sum(1).float()
            wanted = (positives * torch.tensor(fields["neg_pos_ratio"], device=own.device)).long()
        nms = fields["nms_param"]
        _, places, counted = ranked(losses.masked_fill(~eligible, -torch.inf), None, nms["top_k"] if nms else -1)
        if nms:
            found = boxes[None, None] if fields["use_prior_for_nms"] else self._decoded(each, boxes, variances)
            found = found[:, 0].expand(len(own), -1, -1).gather(1, places[..., None].expand(-1, -1, 4))
            counted = suppress(found, counted & (sizes(found) >= 1e-5), nms["nms_threshold"])
        chosen = counted & (counted.cumsum(1) <= wanted[:, None])
        selected = torch.zeros_like(eligible).scatter_(1, places, chosen)
        if hard:
            matches = torch.where((own > UNMATCHED) & ~selected, UNMATCHED, own)[:, None]
        return matches, selected & (own == UNMATCHED)

    def _place_losses(
        self, each: Tensor, boxes: Tensor, variances: Tensor, known: Truth, matches: Tensor
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """Image, head and prior of each match, and its losses, M x 4 (EncodeLocPrediction)."""
        fields = self.fields
        at = (matches > UNMATCHED).nonzero(as_tuple=True)
        prior, variance = boxes[at[2]], variances[at[2]]
        in_target = fields["encode_variance_in_target"]
        wanted = encode(known.boxes[at[0], matches[at]], prior, None if in_target else variance, fields["code_type"])
        codes = each[at]
        if fields["bp_inside"]:
            inside = prior if fields["use_prior_for_matching"] else self._decoded(each, boxes, variances)[at]
            codes = torch.where((inside < 0) | (inside > 1), wanted, codes)
        if in_target:
            codes, wanted = codes / variance, wanted / variance
        if fields["loc_loss_type"] == "L2":
            return at, (codes - wanted) ** 2 / 2
        return at, functional.smooth_l1_loss(codes, wanted, reduction="none")

    def _class_losses(self, rows: Tensor, labels: Tensor) -> Tensor:
        """The loss of each prior's scores, N x P C to N x P, for its label, UNMATCHED for none (ComputeConfLoss)."""
        labels = torch.where(labels > UNMATCHED, labels, self.fields["background_label_id"])
        if self.fields["conf_loss_type"] == "SOFTMAX":
            return softmax_loss(rows, labels)
        wanted = (torch.arange(rows.shape[2], device=rows.device) == labels[..., None]).to(rows)
        return functional.binary_cross_entropy_with_logits(rows, wanted, reduction="none").sum(2)

    def _class_loss(self, rows: Tensor, labels: Tensor, negatives: Tensor) -> Tensor:
        """The sum of the losses of the scores that count, for labels N x L x P (EncodeConfPrediction)."""
        fields, background = self.fields, self.fields["background_label_id"]
        if fields["map_object_to_agnostic"]:
            labels = torch.where(labels > UNMATCHED, background + 1, UNMATCHED)
        # Of the labels that several heads match to one prior Caffe writes the last, the highest.
        counting = (labels > UNMATCHED).any(1) | negatives
        if fields["conf_loss_type"] == "SOFTMAX":
            losses = self._class_losses(rows, labels.amax(1))
            return losses.sum() if fields["mining_type"] == "NONE" else losses[counting].sum()
        image, head, prior = (labels > UNMATCHED).nonzero(as_tuple=True)
        label = labels[image, head, prior]
        targets = torch.full_like(rows, background)
        if fields["mining_type"] == "NONE":
            # Caffe goes on by the number of priors from image to image, where it has as many rows of all the classes.
            targets.view(-1)[image * rows.shape[1] + prior * rows.shape[2] + label] = 1
            return functional.binary_cross_entropy_with_logits(rows, targets, reduction="sum")
        targets[image, prior, label] = 1
        if 0 <= background < rows.shape[2]:
            targets[..., background][negatives] = 1
        return functional.binary_cross_entropy_with_logits(rows[counting], targets[counting], reduction="sum")


def ground_truth(blob: Tensor, batch: int, fields: Mapping[str, Any]) -> Truth:
    """The boxes of a blob of rows image, label, instance, corners, difficult (GetGroundTruth)."""
    rows, background = wide(blob.detach()).reshape(-1, 8), fields["background_label_id"]
    if not fields["use_difficult_gt"]:
        rows = rows[(rows[:, 7] == 0) | (rows[:, 0].long() == UNMATCHED)]
    rows = rows[(rows[:, 0].long() >= 0) & (rows[:, 0].long() < batch)]
    rows = rows[rows[:, 0].long().sort(stable=True)[1]]
    images, labels = rows[:, 0].long(), rows[:, 1].long()
    wrong = (labels < 0) | (labels >= fields["num_classes"]) | (labels == background)
    if bool(wrong.any()):
        raise NetgenError(
            f"the labels of the ground truth must lie in 0..{fields['num_classes'] - 1} and differ from the "
            f"background's, {background}, got {int(labels[wrong][0])}"
        )
    there = images == torch.arange(batch, device=rows.device)[:, None]
    most = max(int(there.sum(1).max()), 1) if batch else 1
    column = (there.cumsum(1) - 1)[images, torch.arange(len(rows), device=rows.device)]
    boxes, padded = rows.new_zeros(batch, most, 4), labels.new_full((batch, most), UNMATCHED)
    boxes[images, column], padded[images, column] = rows[:, 3:7], labels
    return Truth(boxes, padded, padded > UNMATCHED)


def match(found: Tensor, boxes: Tensor, there: Tensor, fields: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """For R x P boxes the one of R x G that each is matched to, and the overlap with the nearest one (MatchBBox).

    First every one of the G gets the box that overlaps it most, the pair of the largest overlap first; then, with
    PER_PREDICTION, the boxes that are left get the nearest one from ``overlap_threshold`` on.
    """
    shared = overlaps(boxes, found)
    crosses = torch.zeros_like(found[..., 0], dtype=torch.bool)
    if fields["ignore_cross_boundary_bbox"]:
        crosses = ((found < 0) | (found > 1)).any(-1)
    shared = shared.masked_fill(~there[..., None] | crosses[:, None] | ~(shared > LEAST), 0)
    matches = torch.where(crosses, IGNORED, UNMATCHED)
    nearest, which = shared.max(1)
    if fields["match_type"] == "PER_PREDICTION":
        passed = (nearest >= fields["overlap_threshold"]) & (nearest > 0)
        matches = torch.where(passed, which, matches)
    pairs = _bipartite(shared)
    rows, truths = (pairs > UNMATCHED).nonzero(as_tuple=True)
    matches[rows, pairs[rows, truths]] = truths
    return matches, nearest


def _bipartite(shared: Tensor) -> Tensor:
    """The box for each of the G, UNMATCHED for none; overlaps R x G x P to R x G.

    Of equal overlaps the first box counts, then the first of the G.
    """
    shared = shared.clone()
    rows = torch.arange(len(shared), device=shared.device)
    pairs = torch.full_like(shared[..., 0], UNMATCHED, dtype=torch.long)
    best, places = shared.max(2)
    for _ in range(shared.shape[1]):
        most = best.amax(1)
        if not bool((most > 0).any()):
            break
        first = torch.where(best == most[:, None], places, shared.shape[2])
        place, chosen = first.min(1)
        met = most > 0
        pairs[rows[met], chosen[met]] = place[met]
        shared[rows[met], chosen[met]] = 0
        shared[rows[met], :, place[met]] = 0
        best[rows[met], chosen[met]] = 0
        again = ((places == place[:, None]) & (best > 0) & met[:, None]).nonzero(as_tuple=True)
        best[again], places[again] = shared[again].max(1)
    return pairs


def softmax_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """-log of the softmax at the label, ... C and ... to ..., of at least FLT_MIN (softmax_loss_layer.cpp).

    The gradient is the softmax's, as Caffe's, also where the loss is held.
    """
    losses = -scores.log_softmax(-1).gather(-1, labels[..., None]).squeeze(-1)
    return losses - (losses - losses.clamp(max=-math.log(FLT_MIN))).detach()
