"""What a calibration measured, in lines for the table's head."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from scipy.stats import beta
from torch import Tensor

from magdr_video.detection.calibration import Calibration
from magdr_video.detection.detector import judge
from magdr_video.detection.measurement import Measurement
from magdr_video.training.calibration_fit import threshold

DECIDERS = ("combined", "union", "distortion", "consistency", "no masks", "control", "noise")
"""The combined score, the paper's detectors, and the other ablations."""

HARD = ("photograph", "noise", "sharpened", "jpeg 75", "h264 crf 23", "in a frame")
"""Kinds of clean input that the goals name."""


def auroc(negatives: Tensor, positives: Tensor) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative."""
    above = (positives[:, None] > negatives[None]).float()
    ties = (positives[:, None] == negatives[None]).float()
    return float((above + ties / 2).mean())


def rate_bound(flagged: int, total: int, level: float = 0.95) -> float:
    """Upper bound of a rate (Clopper and Pearson 1934, one-sided)."""
    return 1.0 if flagged >= total else float(beta.ppf(level, flagged + 1, total - flagged))


def f1_binary(negatives: Tensor, positives: Tensor) -> float:
    """F1 of booleans, both groups counted alike whatever their sizes."""
    recall, false = float(positives.float().mean()), float(negatives.float().mean())
    return 2 * recall / (1 + recall + false)


def clean_rate(table: Calibration, clean: Measurement) -> str:
    """The share of clean faces that the combined score condemns, and its bound."""
    flagged = int((judge(clean, table, "combined").score >= 0).sum())
    bound = rate_bound(flagged, len(clean))
    return f"{flagged} flagged (below {bound:.4f} at 95 %)"


def own_threshold(table: Calibration, decider: str, clean: Measurement) -> float:
    """Where a decider alone condemns at most 1 % of clean validation faces.

    The paper's detectors share the table's 1 % between them; alone, each may spend all of it.
    """
    return threshold(judge(clean, table, decider).scores[decider])


def held_out_lines(
    table: Calibration, held: Mapping[str, Measurement], checked: Measurement
) -> list[str]:
    """Each decider on held-out faces: AUROC, F1, what it condemns of every kind.

    Args:
        held: held-out faces by kind.
        checked: the clean validation faces, which set each decider's own threshold.
    """
    count = len(next(iter(held.values())))
    lines = [
        f"Held-out identities and clips: {count} faces of each kind, PGD epsilon 0.05, 10 steps;",
        "  AUROC of attacked against "
        f"{', '.join(HARD)}; F1, found and clean flagged at the threshold of each alone, 1 % of "
        f"the {len(checked)} clean faces; crf 23 and in a frame against the like",
    ]
    for name in DECIDERS:
        scores = {kind: judge(one, table, name).scores[name] for kind, one in held.items()}
        negatives = torch.cat([scores[f"clean {kind}"] for kind in HARD])
        broken, tau = scores["attacked lossless"], own_threshold(table, name, checked)
        filmed = auroc(scores["clean h264 crf 23"], scores["attacked h264 crf 23"])
        framed = auroc(scores["clean in a frame"], scores["attacked in a frame"])
        both = auroc(scores["clean h264 crf 23"], scores["attacked in a frame, crf 23"])
        lines.append(
            f"  {name}: AUROC {auroc(negatives, broken):.3f}, "
            f"F1 {f1_binary(negatives >= tau, broken >= tau):.3f}, "
            f"found {float((broken >= tau).float().mean()):.3f}, "
            f"clean flagged {float((negatives >= tau).float().mean()):.3f}, "
            f"crf 23 {filmed:.3f}, in a frame {framed:.3f}, there crf 23 {both:.3f}"
        )
    final = {kind: judge(one, table, "combined").s_final for kind, one in held.items()}
    clean = torch.cat([final[f"clean {kind}"] for kind in HARD])
    lines.append(f"  S_final: AUROC {auroc(clean, final['attacked lossless']):.3f}")
    shares = {
        kind: float((judge(one, table, "combined").score >= 0).float().mean())
        for kind, one in held.items()
    }
    lines.append("  combined flags " + ", ".join(f"{k} {v:.3f}" for k, v in shares.items()))
    return lines
