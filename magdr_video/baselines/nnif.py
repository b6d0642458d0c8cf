"""A proxy of NNIF (Cohen et al., CVPR 2020; row 'Cohen' of table 1), and labelled as one.

The original ranks the training images by their influence on a classifier's decision (influence
functions) and looks at ranks and distances of the 50 most helpful and most harmful in the
embedding. A generator has no decision to be influenced. What remains is the nearest-neighbour
part: distances in the bottleneck to the 50 nearest clean and the 50 nearest attacked training
faces, judged by logistic regression.
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


def nearest_distances(points: Tensor, others: Tensor, count: int, *, own: bool = False) -> Tensor:
    """Euclidean distances to the nearest `others`, ascending, (F, count).

    Args:
        points: (F, U).
        others: (E, U).
        own: point i and other i show the same face: each leaves its own out.
    """
    apart = torch.cdist(points, others)
    if own:
        apart.fill_diagonal_(float("inf"))
    return apart.topk(count, dim=1, largest=False).values


@dataclass
class NnifProxy(Learner):
    """Distances to nearest training faces, weighed by logistic regression."""

    translator: Translator
    neighbours: int = 50
    grid: int = 2
    """Cells a side that each channel is pooled to before distances are taken."""
    penalty: float = 1.0
    """C of the logistic regression."""
    name = "nnif-proxy"
    paper = "Cohen et al., NNIF, CVPR 2020 (nearest-neighbour proxy)"
    own_threshold: float = 0.0
    _state: State = field(default_factory=dict)
    _scaler: Any = None
    _judge: Any = None

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Number of neighbours as in the paper."""
        return {"neighbours": self.neighbours, "grid": self.grid, "C": self.penalty}

    def points(self, crops: Tensor, condition: Tensor) -> Tensor:
        """Pooled magnitudes of the bottleneck, (F, K grid^2).

        Its last norm keeps the plain mean of a channel where it is, whatever the face; the mean
        magnitude tells (24 held-out faces of `edit`: AUROC 0.88 against 0.69).
        """
        return pooled(bottleneck(self.translator, crops, condition).abs(), self.grid)

    def fit(self, clean: Samples, attacked: Samples) -> None:
        """Remember the training faces and weigh the distances between them."""
        points = {
            "clean": self.points(clean.crops, clean.condition),
            "attacked": self.points(attacked.crops, attacked.condition),
        }
        self.restore(points)

    def _distances(self, points: Tensor, *, own: bool = False) -> Tensor:
        """Distances to the nearest clean, then to the nearest attacked training faces.

        Args:
            own: the points are training faces. Each then leaves out itself and its counterpart:
                a clean face is nearest to its own attacked copy, which would teach the opposite.
        """
        parts = []
        for kind in ("clean", "attacked"):
            others = self._state[kind]
            # One less than the set, so that the numbers of training and new faces agree.
            count = min(self.neighbours, len(others) - 1)
            parts.append(nearest_distances(points, others, count, own=own))
        return torch.cat(parts, dim=1)

    def score(self, crops: Tensor, condition: Tensor, draft: Tensor) -> Tensor:
        """Log-odds that the face is perturbed, (F,).

        Raises:
            RuntimeError: it was not fitted.
        """
        if self._judge is None:
            raise RuntimeError("nnif-proxy has not been fitted")
        if len(crops) == 0:
            return torch.zeros(0)
        found = self._distances(self.points(crops, condition)).numpy()
        odds = self._judge.decision_function(self._scaler.transform(found))
        return torch.from_numpy(odds).float()

    def state(self) -> State:
        """The training faces' points."""
        return dict(self._state)

    def restore(self, state: State) -> None:
        """Weigh the distances between stored points anew; the solution is unique."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        self._state = dict(state)
        kinds = ("clean", "attacked")
        found = torch.cat([self._distances(state[kind], own=True) for kind in kinds]).numpy()
        labels = [0] * len(state["clean"]) + [1] * len(state["attacked"])
        self._scaler = StandardScaler().fit(found)
        self._judge = LogisticRegression(C=self.penalty, max_iter=1000)
        self._judge.fit(self._scaler.transform(found), labels)
