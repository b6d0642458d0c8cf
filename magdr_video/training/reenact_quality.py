"""Measures a reenactment generator on held-out faces: obedience, fidelity, disruption.

Obedience is read by `au-estimator`, which was trained apart from the generator and never serves
as its loss. The numbers stand in the model card; `python -m magdr_video.training.reenact_quality`
prints them.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from magdr_video.attacks.pgd import pgd
from magdr_video.device import choose_device
from magdr_video.models.au_estimator import AUEstimator
from magdr_video.models.conditions import ACTION_UNITS
from magdr_video.models.trunk import from_model_range, to_model_range
from magdr_video.models.zoo import load, load_as
from magdr_video.training.attacked_faces import faces_at_once
from magdr_video.training.expression_pairs import ExpressionViews, expression_units, load_views
from magdr_video.training.faces_data import OmiFaces
from magdr_video.training.paired import from_images
from magdr_video.training.running import run_alone

JUDGED = ("AU01", "AU02", "AU04", "AU12", "AU25", "AU26", "AU45")
"""Units whose obedience is reported."""

DISRUPTED = 0.05
"""Mean squared error in [-1, 1] above which an output counts as disrupted (Ruiz et al. 2020)."""


@dataclass(frozen=True)
class ReenactQuality:
    """What was measured; the figures of a model card.

    Attributes:
        asked: correlation of asked and read unit, over the requests of all held-out views.
        warped: the same for the warps that served as targets: the most that can be expected.
        own_psnr: dB, output for the face's own units against the face; mean over faces.
        neutral_psnr: dB, output for all units 0 against the face; median over faces.
        still: share of the L1 to the target, where it differs, that doing nothing leaves and the
            generator does not: 0 for the identity, 1 for a perfect net.
        pgd_mse: mean squared output error in [-1, 1] under PGD; pgd_disrupted: share above 0.05.
        noise_mse: the same for random signs of the same size.
        faces: how many held-out faces the figures stand on; pgd_faces: those of the attack.
    """

    asked: dict[str, float]
    warped: dict[str, float]
    own_psnr: float
    neutral_psnr: float
    still: float
    pgd_mse: float
    pgd_disrupted: float
    noise_mse: float
    faces: int
    pgd_faces: int

    def table(self) -> str:
        """The figures as a Markdown table."""
        rows = [
            f"| {unit}: asked and read (warp and read) | {r:.2f} ({self.warped[unit]:.2f}) |"
            for unit, r in self.asked.items()
        ]
        rows += [
            f"| own units: PSNR to the face, dB | {self.own_psnr:.1f} |",
            f"| all units 0: PSNR to the face, dB (median) | {self.neutral_psnr:.1f} |",
            f"| of the asked change of the pixels, done | {self.still:.0%} |",
            f"| PGD (0.05, 10 x 0.01): output MSE | {self.pgd_mse:.4f} |",
            f"| PGD: share of faces above MSE {DISRUPTED} | {self.pgd_disrupted:.0%} |",
            f"| random signs of 0.05: output MSE | {self.noise_mse:.4f} |",
            f"| held-out faces (under attack) | {self.faces} ({self.pgd_faces}) |",
        ]
        return "\n".join(["| measure | value |", "|---|---|", *rows])


def _shrink(views: Tensor) -> Tensor:
    return nn.functional.interpolate(views, size=(128, 128), mode="area")


def _psnr(a: Tensor, b: Tensor) -> Tensor:
    """dB per image of tensors (F, 3, S, S) in [-1, 1]; capped at 60."""
    error = (from_model_range(a) - from_model_range(b)).square().mean(dim=(1, 2, 3))
    return -10 * torch.log10(error.clamp_min(1e-6))


@torch.no_grad()
def _generate(net: nn.Module, faces: Tensor, units: Tensor) -> Tensor:
    batch = 2 * faces_at_once(faces.device)
    starts = range(0, len(faces), batch)
    return torch.cat([net(faces[i : i + batch], units[i : i + batch]) for i in starts])


def _correlations(asked: Tensor, read: Tensor) -> dict[str, float]:
    """Per unit of `JUDGED`, over all rows of (N, 17)."""
    places = {unit: ACTION_UNITS.index(unit) for unit in JUDGED}
    return {
        unit: float(np.corrcoef(asked[:, i].cpu().numpy(), read[:, i].cpu().numpy())[0, 1])
        for unit, i in places.items()
    }


def _disruption(net: nn.Module, faces: Tensor, units: Tensor) -> tuple[Tensor, Tensor]:
    """Squared output error of each face under PGD and under random signs, in [-1, 1]."""

    def generate(crops: Tensor, condition: Tensor) -> Tensor:
        return from_model_range(net(to_model_range(crops), condition))

    images = from_model_range(faces)
    clean = _generate(net, faces, units)
    attacked = pgd(generate, images, units)
    signs = torch.randint(0, 2, images.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    noisy = (images + 0.025 * signs.to(images)).clamp(0, 1)
    errors = [
        (_generate(net, to_model_range(held), units) - clean).square().mean(dim=(1, 2, 3))
        for held in (attacked, noisy)
    ]
    return errors[0], errors[1]


def evaluate(
    net: nn.Module, estimator: AUEstimator, held_out: ExpressionViews, *, attacked: int = 24
) -> ReenactQuality:
    """Measure on held-out faces, each asked for the units of all its views, on the net's device.

    Args:
        attacked: how many faces PGD is run on, asked for a happy or a surprised face in turn.
    """
    net.eval()
    estimator.eval()
    count, views = held_out.units.shape[:2]
    device = next(net.parameters()).device
    seen_from = [_shrink(from_images(held_out.views[:, v]).to(device)) for v in range(views)]
    faces, targets = seen_from[0], seen_from[1:]
    units = torch.from_numpy(held_out.units).to(device)
    outputs = [_generate(net, faces, units[:, v]) for v in range(1, views)]
    with torch.no_grad():
        read = torch.cat([estimator(out) for out in outputs])
        seen = torch.cat([estimator(target) for target in targets])
    asked = torch.cat([units[:, v] for v in range(1, views)])
    near, far = _moved_error(faces, targets, outputs)
    own = _psnr(_generate(net, faces, units[:, 0]), faces)
    neutral = _psnr(_generate(net, faces, torch.zeros_like(units[:, 0])), faces)
    wishes = torch.from_numpy(
        np.stack([expression_units(("happy", "surprised")[i % 2]) for i in range(attacked)])
    ).to(device)
    broken, noisy = _disruption(net, faces[:attacked], wishes[: len(faces[:attacked])])
    return ReenactQuality(
        asked=_correlations(asked, read),
        warped=_correlations(asked, seen),
        own_psnr=float(own.mean()),
        neutral_psnr=float(neutral.median()),
        still=1 - near / far,
        pgd_mse=float(broken.mean()),
        pgd_disrupted=float((broken > DISRUPTED).float().mean()),
        noise_mse=float(noisy.mean()),
        faces=count,
        pgd_faces=len(broken),
    )


def _moved_error(
    faces: Tensor, targets: list[Tensor], outputs: list[Tensor]
) -> tuple[float, float]:
    """L1 to the target where face and target differ: of the output, and of the face itself."""
    near = far = 0.0
    for target, out in zip(targets, outputs, strict=True):
        moved = ((target - faces).abs().amax(1, keepdim=True) > 0.05).float()
        near += float(((out - target).abs() * moved).mean())
        far += float(((faces - target).abs() * moved).mean())
    return near, far


def main() -> None:
    """`python -m magdr_video.training.reenact_quality GENERATOR ESTIMATOR --data D --out O`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generator", help="name or file of the generator's weights")
    parser.add_argument("estimator", help="name or file of the AU estimator's weights")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="where the views are cached")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    given = parser.parse_args()
    torch.set_num_threads(1)
    device = choose_device(given.device)
    estimator = load_as(AUEstimator, given.estimator, f"ESTIMATOR {given.estimator}", device)
    held_out = load_views(OmiFaces(given.data), given.out, held_out=True, seed=1234)
    print(evaluate(load(given.generator, device), estimator, held_out).table())


if __name__ == "__main__":
    run_alone(main)
