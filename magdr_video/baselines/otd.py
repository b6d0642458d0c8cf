"""A classifier of outputs (row 'OTD' of table 1).

A convolutional network is trained to tell the translations of clean faces from those of attacked
ones; it never sees the inputs. ResNet-18 (He et al., CVPR 2016) in torchvision's form, from
random weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from magdr_video.baselines.bases import Learner, shortened
from magdr_video.baselines.classifier_training import fit_classifier, logits
from magdr_video.baselines.protocol import Parameter, Samples, State
from magdr_video.translation import Translator


@dataclass
class OutputDetector(Learner):
    """ResNet-18 on translations."""

    translator: Translator
    steps: int = 120
    batch: int = 16
    rate: float = 5e-4
    seed: int = 1234
    name = "otd"
    paper = "output detector of the MagDR paper: ResNet-18, He et al., CVPR 2016"
    own_threshold: float = 0.0
    _net: Any = None

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Of the training."""
        return {
            "network": "resnet18",
            "steps": self.steps,
            "batch": self.batch,
            "rate": self.rate,
            "seed": self.seed,
        }

    def shorten(self, share: float) -> None:
        """Fewer steps."""
        self.steps = shortened(self.steps, share)

    def _build(self) -> nn.Module:
        from torchvision.models import resnet18

        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            net = resnet18(weights=None, num_classes=1)
        return cast(nn.Module, net).to(self.translator.device)

    def fit(self, clean: Samples, attacked: Samples) -> None:
        """Train on the drafts in [-1, 1]."""
        self._net = self._build()
        fit_classifier(
            self._net,
            clean.draft * 2 - 1,
            attacked.draft * 2 - 1,
            steps=self.steps,
            batch=self.batch,
            rate=self.rate,
            seed=self.seed,
        )

    def score(self, crops: Tensor, condition: Tensor, draft: Tensor) -> Tensor:
        """Log-odds that the draft is of a perturbed face, (F,).

        Raises:
            RuntimeError: it was not fitted.
        """
        if self._net is None:
            raise RuntimeError("otd has not been fitted")
        return logits(self._net, draft * 2 - 1)

    def state(self) -> State:
        """Weights and running statistics."""
        return {} if self._net is None else dict(self._net.state_dict())

    def restore(self, state: State) -> None:
        """Take back the weights."""
        self._net = self._build()
        self._net.load_state_dict(state)
        self._net.eval()
