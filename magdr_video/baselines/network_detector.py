"""What the detectors that are small networks share: training, scores and state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from magdr_video.baselines.bases import Learner, shortened
from magdr_video.baselines.classifier_training import fit_classifier, logits
from magdr_video.baselines.protocol import Parameter, Samples, State
from magdr_video.translation import Translator


@dataclass
class NetworkDetector(Learner):
    """A network with one logit, trained on what it sees of clean and attacked faces."""

    translator: Translator
    steps: int
    batch: int
    rate: float
    first_layer: str
    """Name of the weight that meets the view, (out, C, kh, kw)."""
    seed: int = 1234
    own_threshold: float = 0.0
    _net: Any = None

    @abstractmethod
    def view(self, crops: Tensor, condition: Tensor, draft: Tensor) -> Tensor:
        """What the network sees of faces, (F, C, h, w)."""

    @abstractmethod
    def architecture(self, channels: int) -> nn.Module:
        """The network for so many channels, its weights drawn from the global generator."""

    @property
    def training(self) -> Mapping[str, Parameter]:
        """The settings of the training."""
        return {"steps": self.steps, "batch": self.batch, "rate": self.rate, "seed": self.seed}

    def shorten(self, share: float) -> None:
        """Fewer steps."""
        self.steps = shortened(self.steps, share)

    def _build(self, channels: int) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return self.architecture(channels).to(self.translator.device)

    def fit(self, clean: Samples, attacked: Samples) -> None:
        """Train the network; its views are computed once."""
        negatives = self.view(clean.crops, clean.condition, clean.draft)
        positives = self.view(attacked.crops, attacked.condition, attacked.draft)
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
            raise RuntimeError(f"{self.name} has not been fitted")
        if len(crops) == 0:
            return torch.zeros(0)
        return logits(self._net, self.view(crops, condition, draft))

    def state(self) -> State:
        """Weights and running statistics."""
        return {} if self._net is None else dict(self._net.state_dict())

    def restore(self, state: State) -> None:
        """Take back the weights; the first layer tells the channels."""
        self._net = self._build(state[self.first_layer].shape[1])
        self._net.load_state_dict(state)
        self._net.eval()
