"""SafetyNet (Lu et al., ICCV 2017; row 'Lu' of table 1).

The original turns late ReLU activations of a classifier into discrete codes and separates codes
of clean and attacked images with an RBF-SVM. Read for a generator: the activations are those of
the last residual block, rectified and pooled; a unit's code is how many of its clean quantiles
it exceeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from magdr_video.baselines.bases import Learner
from magdr_video.baselines.bottleneck import bottleneck, pooled
from magdr_video.baselines.protocol import Parameter, Samples, State
from magdr_video.translation import Translator


def quantise(values: Tensor, levels: Tensor) -> Tensor:
    """Codes in [0, 1]: the share of a unit's levels that it exceeds.

    Args:
        values: (F, U).
        levels: (L, U), ascending in L.
    """
    return (values[:, None] > levels[None]).float().mean(dim=1)


@dataclass
class SafetyNet(Learner):
    """RBF-SVM on quantised codes of the pooled bottleneck."""

    translator: Translator
    grid: int = 4
    """Cells a side that each channel is pooled to."""
    code_levels: int = 7
    """Thresholds a unit; its codes are 0 to this."""
    penalty: float = 10.0
    """C of the support vector machine."""
    name = "safetynet"
    paper = "Lu et al., SafetyNet, ICCV 2017"
    own_threshold: float = 0.0
    _state: State = field(default_factory=dict)
    _machine: Any = None

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Of codes and machine; gamma is 1 / (units x variance of the codes)."""
        return {
            "grid": self.grid,
            "code_levels": self.code_levels,
            "kernel": "rbf",
            "C": self.penalty,
            "gamma": "scale",
        }

    def units(self, crops: Tensor, condition: Tensor) -> Tensor:
        """Rectified, pooled activations, (F, K grid^2)."""
        return pooled(bottleneck(self.translator, crops, condition).relu(), self.grid)

    def fit(self, clean: Samples, attacked: Samples) -> None:
        """Levels from clean faces, the machine from both."""
        negatives = self.units(clean.crops, clean.condition)
        positives = self.units(attacked.crops, attacked.condition)
        parts = torch.arange(1, self.code_levels + 1) / (self.code_levels + 1)
        levels = negatives.quantile(parts, dim=0)
        codes = quantise(torch.cat([negatives, positives]), levels)
        labels = torch.cat([torch.zeros(len(negatives)), torch.ones(len(positives))])
        self.restore({"levels": levels, "codes": codes, "labels": labels})

    def score(self, crops: Tensor, condition: Tensor, draft: Tensor) -> Tensor:
        """Signed distance to the machine's border, (F,).

        Raises:
            RuntimeError: it was not fitted.
        """
        if self._machine is None:
            raise RuntimeError("safetynet has not been fitted")
        if len(crops) == 0:
            return torch.zeros(0)
        codes = quantise(self.units(crops, condition), self._state["levels"])
        return torch.from_numpy(self._machine.decision_function(codes.numpy())).float()

    def state(self) -> State:
        """Levels and training codes: the machine is solved again from them in a moment."""
        return dict(self._state)

    def restore(self, state: State) -> None:
        """Solve the machine for stored codes; the solution is unique."""
        from sklearn.svm import SVC

        self._state = dict(state)
        self._machine = SVC(kernel="rbf", C=self.penalty, gamma="scale")
        self._machine.fit(state["codes"].numpy(), state["labels"].numpy())
