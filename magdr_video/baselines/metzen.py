"""A detector head on an intermediate layer (Metzen et al., ICLR 2017; row 'Metzen' of table 1).

The network stays frozen; a small convolutional head reads one of its layers and is trained on
clean and attacked images with Adam. Read for a generator: the head sits on the last residual
block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from magdr_video.baselines.bases import Learner, shortened
from magdr_video.baselines.bottleneck import bottleneck
from magdr_video.baselines.classifier_training import fit_classifier, logits
from magdr_video.baselines.protocol import Parameter, Samples, State
from magdr_video.translation import Translator


def head(channels: int, width: int) -> nn.Sequential:
    """Features (F, K, h, w) to logits (F, 1): three convolutions, then the mean over places."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(2 * width, 2 * width, 3, padding=1),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(inplace=True),
        nn.Conv2d(2 * width, 1, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


@dataclass
class Metzen(Learner):
    """A convolutional head on the frozen bottleneck."""

    translator: Translator
    width: int = 32
    steps: int = 300
    batch: int = 32
    rate: float = 1e-3
    seed: int = 1234
    name = "metzen"
    paper = "Metzen et al., On Detecting Adversarial Perturbations, ICLR 2017"
    own_threshold: float = 0.0
    _net: Any = None

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Of head and training."""
        return {
            "layer": "last residual block",
            "width": self.width,
            "steps": self.steps,
            "batch": self.batch,
            "rate": self.rate,
            "seed": self.seed,
        }

    def shorten(self, share: float) -> None:
        """Fewer steps."""
        self.steps = shortened(self.steps, share)

    def _features(self, crops: Tensor, condition: Tensor) -> Tensor:
        return bottleneck(self.translator, crops, condition)

    def _build(self, channels: int) -> nn.Sequential:
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return head(channels, self.width).to(self.translator.device)

    def fit(self, clean: Samples, attacked: Samples) -> None:
        """Train the head; the features are computed once, as nothing below it moves."""
        negatives = self._features(clean.crops, clean.condition)
        positives = self._features(attacked.crops, attacked.condition)
        self._net = self._build(negatives.shape[1])
        fit_classifier(
            self._net,
            negatives,
            positives,
            steps=self.steps,
            batch=self.batch,
            rate=self.rate,
            seed=self.seed,
        )

    def score(self, crops: Tensor, condition: Tensor, draft: Tensor) -> Tensor:
        """Log-odds that the face is perturbed, (F,).

        Raises:
            RuntimeError: it was not fitted.
        """
        if self._net is None:
            raise RuntimeError("metzen has not been fitted")
        if len(crops) == 0:
            return torch.zeros(0)
        return logits(self._net, self._features(crops, condition))

    def state(self) -> State:
        """Weights of the head."""
        return {} if self._net is None else dict(self._net.state_dict())

    def restore(self, state: State) -> None:
        """Take back the weights of a head."""
        self._net = self._build(state["0.weight"].shape[1])
        self._net.load_state_dict(state)
        self._net.eval()
