"""The outer loop (METHOD 6.3): reconstruct, detect again, at most three rounds.

The fitted default comes first; the search runs only where its score stays high, and within the
budget (METHOD 6.4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from magdr_video.detection.detector import PerturbationDetector
from magdr_video.reconstruction.choice import Choice, Round
from magdr_video.reconstruction.composer import compose
from magdr_video.reconstruction.fitted import Fit, RecNetTable
from magdr_video.reconstruction.recnet import RecNet, take
from magdr_video.types import Masks, RunReport

ROUNDS = 3


@dataclass(frozen=True)
class Faces:
    """F faces whose repair is to be decided."""

    bare: Tensor
    """(F, 3, S, S), the crops as they came."""
    base: Tensor
    """(F, 3, S, S), averaged along the motion where `averaged` says so."""
    masks: Masks
    condition: Tensor
    """(F, C)."""
    scores: Sequence[float]
    """S_final of the bare crops; NaN where it is not known."""
    averaged: bool

    def __len__(self) -> int:
        return len(self.bare)


@dataclass
class _Course:
    """One face on its way through the rounds."""

    crop: Tensor
    """(3, S, S), after the rounds so far."""
    score: float = math.inf
    """Its S_final after the last round."""
    rounds: list[Round] = field(default_factory=list)
    spent: int = 0
    """Passes of searches and of further rounds."""
    is_over: bool = False


@dataclass
class Chooser:
    """Decides how faces are repaired.

    Args:
        detector: scores candidates by S_final.
        table: what the pre-training found.
        budget: generator passes that may be spent on one face beyond the first default chain,
            all rounds together.
        report: searches are counted in it.
    """

    detector: PerturbationDetector
    table: RecNetTable
    budget: int
    report: RunReport

    @property
    def passes_per_score(self) -> int:
        """Generator passes of one scored candidate: its draft, and what judges it."""
        return 1 + self.detector.passes_per_face

    def choose(self, faces: Faces) -> list[Choice]:
        """One choice a face; all faces of a step are scored together."""
        courses = [_Course(crop) for crop in faces.base]
        for _ in range(ROUNDS):
            going = [face for face, course in enumerate(courses) if not course.is_over]
            if going:
                self._round(faces, courses, going)
        tau = self.detector.table.tau_final
        return [
            Choice(tuple(course.rounds), faces.averaged, before, course.score, course.score <= tau)
            for course, before in zip(courses, self._before(faces), strict=True)
        ]

    def _before(self, faces: Faces) -> list[float]:
        """Scores of the bare crops, measured where they are not known."""
        out = list(faces.scores)
        unknown = [face for face, score in enumerate(out) if math.isnan(score)]
        if unknown:
            for face, score in zip(
                unknown, self._scores(faces, faces.bare[unknown], unknown), strict=True
            ):
                out[face] = score
        return out

    def _scores(self, faces: Faces, crops: Tensor, rows: Sequence[int]) -> list[float]:
        masks, condition = take(faces.masks, rows), faces.condition[list(rows)]
        scores: list[float] = self.detector.inspect(crops, masks, condition).s_final.tolist()
        return scores

    def _round(self, faces: Faces, courses: Sequence[_Course], going: Sequence[int]) -> None:
        """The default chain, the search where its score stays high; kept where the score falls."""
        crops = torch.stack([courses[face].crop for face in going])
        masks = take(faces.masks, going)
        plans = [self._fit(faces).recipes(masks.regions)] * len(going)
        scores = self._scores(faces, compose(crops, masks, plans[0]), going)
        for face in going:
            courses[face].spent += self.passes_per_score if courses[face].rounds else 0
        if faces.averaged:
            self._try_single(faces, courses, going, crops, plans, scores)
        self._search(faces, courses, going, crops, plans, scores)
        for row, face in enumerate(going):
            course = courses[face]
            # A further round is a gain of S_final alone, as the search's are.
            if scores[row] >= course.score - (self.table.margin if course.rounds else 0):
                course.is_over = True
                continue
            one = slice(row, row + 1)
            course.crop = compose(crops[one], take(masks, [row]), plans[row])[0]
            course.rounds.append(plans[row])
            course.score = scores[row]
            course.is_over = not self._may_go_on(course)

    def _try_single(
        self,
        faces: Faces,
        courses: Sequence[_Course],
        going: Sequence[int],
        crops: Tensor,
        plans: list[Round],
        scores: list[float],
    ) -> None:
        """Replace the default after averages by that of single crops where it is needed.

        What all frames share is not averaged away, and the chain after an average may be too weak
        for it: of a perturbation shared by 12 frames (`reenact`) it leaves S_final at 5.6 and
        27.2 dB, the chain of single crops at 0.6 and 33.3 dB. Both are fitted, so this belongs to
        the default and is not taken from the budget.
        """
        tau, margin = self.detector.table.tau_final, self.table.margin
        rows = [
            row for row, face in enumerate(going) if scores[row] > tau and not courses[face].rounds
        ]
        masks = take(faces.masks, [going[row] for row in rows])
        plan = self.table.single.recipes(masks.regions)
        if not rows or plan == self.table.averaged.recipes(masks.regions):
            return
        repaired = compose(crops[rows], masks, plan)
        found = self._scores(faces, repaired, [going[row] for row in rows])
        for row, score in zip(rows, found, strict=True):
            if score <= tau or score < scores[row] - margin:
                plans[row], scores[row] = plan, score

    def _fit(self, faces: Faces) -> Fit:
        return self.table.averaged if faces.averaged else self.table.single

    def _may_go_on(self, course: _Course) -> bool:
        left = self.budget - course.spent
        return course.score > self.detector.table.tau_final and left >= self.passes_per_score

    def _search(
        self,
        faces: Faces,
        courses: Sequence[_Course],
        going: Sequence[int],
        crops: Tensor,
        plans: list[Round],
        scores: list[float],
    ) -> None:
        """Replace plans and scores by better ones where a default's score stays high."""
        tau, room = self.detector.table.tau_final, [self.budget - courses[f].spent for f in going]
        wanting = [
            row
            for row, score in enumerate(scores)
            if score > tau and room[row] >= self.passes_per_score
        ]
        if not wanting:
            return
        self.report.searches += len(wanting)
        rows = [going[row] for row in wanting]
        net = RecNet(
            lambda tried, masks, owners: torch.tensor(
                self._scores(faces, tried, [rows[owner] for owner in owners])
            ),
            layers=self.table.layers,
            margin=self.table.margin,
            passes_per_score=self.passes_per_score,
            enough=tau,
        )
        results = net.search(
            crops[wanting],
            take(faces.masks, rows),
            self._fit(faces),
            [plans[row] for row in wanting],
            [scores[row] for row in wanting],
            budgets=[room[row] for row in wanting],
            origin=faces.bare[rows],
        )
        for row, face, found in zip(wanting, rows, results, strict=True):
            plans[row], scores[row] = found.recipes, found.score
            courses[face].spent += found.spent
