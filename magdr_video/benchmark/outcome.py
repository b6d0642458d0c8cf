"""What a repair gives: every column of its row, a number a face."""

from __future__ import annotations

import torch
from torch import Tensor

from magdr_video.attacks.success import disruption, reached_target
from magdr_video.benchmark.measures import feature_cosine, fsim, image_measures
from magdr_video.benchmark.repairs import NOTHING, Repair
from magdr_video.benchmark.scene import Scene, Seen

SHOWN = 2
"""Faces whose pictures are kept for the figure."""


def measure(scene: Scene, seen: Seen, repair: Repair, *, slowly: bool = True) -> dict[str, Tensor]:
    """All columns of one row, a number a face; pictures of the first faces beside them.

    Args:
        slowly: FSIM and features too; the clean cost does without.
    """
    clean = scene.clean.first(len(seen.crops))
    with torch.no_grad():
        repaired = seen.crops if repair.name == NOTHING else repair.work(seen)
    same = untouched(seen, repaired)
    output = translated(scene, seen, repair, repaired, same)
    few = min(scene.plan.count("slow_faces"), len(seen.crops))
    out = {f"i|{name}": v for name, v in image_measures(repaired, clean.crops).items()}
    out |= {f"o|{name}": v for name, v in image_measures(output, clean.draft).items()}
    if slowly:
        known = scene.slow_clean
        out["i|fsim"] = fsim(repaired[:few], known.crops[:few])
        out["o|fsim"] = fsim(output[:few], known.draft[:few])
        features = scene.subject.features(torch.cat([repaired[:few], output[:few]]))
        out["i|features"] = feature_cosine(features[:few], known.features[:few])
        out["o|features"] = feature_cosine(features[few:], known.draft_features[:few])
    target = scene.subject.target(clean.crops)
    if target is not None:
        out["pulled in"] = reached_target(clean.draft, output, target).to(output)
    broken = disruption(clean.crops, clean.draft, output)
    out |= {
        "damage": broken.error,
        "masked damage": broken.edited_error,
        "untouched": same.to(output),
        "picture in": (repaired[:SHOWN] * 255).round().to(torch.uint8),
        "picture out": (output[:SHOWN] * 255).round().to(torch.uint8),
    }
    return out


def untouched(seen: Seen, repaired: Tensor) -> Tensor:
    """(F,) booleans: crops that came back bit-identical."""
    return (repaired == seen.crops).flatten(1).all(dim=1)


def translated(scene: Scene, seen: Seen, repair: Repair, repaired: Tensor, same: Tensor) -> Tensor:
    """What the generator makes of the row; crops that it left alone have their draft already."""
    if repair.translate is not None:
        return repair.translate(seen)
    output = seen.draft.clone()
    rest = ~same
    if bool(rest.any()):
        output[rest] = scene.subject.generate(repaired[rest], seen.condition[rest])
    return output
