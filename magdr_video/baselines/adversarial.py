"""Adversarial training with blur (Ruiz et al., ECCV workshops 2020; column 'Nataniel' of table 2).

A copy of the generator is trained on attacked faces, and inputs are blurred. The original trains
generator and discriminator from scratch with attacks on the current generator that push its
output away from mid-grey (PGD, epsilon 0.05, 10 steps). Read for a generator that is given ready
made, without its discriminator: its copy learns to give for blurred faces, attacked or clean,
what the original gives for the clean ones. To have a fair chance in a benchmark whose attacks aim
at the original, most batches use attacks on that one, which are at hand; every few batches are
attacked anew on the copy.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from magdr_video.attacks.loop import ascend, project, slope_of, uniform_noise
from magdr_video.baselines.bases import Learner, shortened
from magdr_video.baselines.protocol import Generate, Material, Parameter, Samples, State
from magdr_video.baselines.simple import blur
from magdr_video.translation import Translator


@dataclass(frozen=True)
class AdversarialRecipe:
    """How the copy is trained."""

    steps: int = 400
    batch: int = 16
    rate: float = 4e-4
    fresh_every: int = 6
    """Every how many batches the copy itself is attacked."""
    epsilon: float = 0.05
    step_size: float = 0.01
    attack_steps: int = 10
    seed: int = 1234


def away_from_grey(
    generate: Generate, clean: Samples, recipe: AdversarialRecipe, *, seed: int
) -> Tensor:
    """PGD on the squared distance of the output from mid-grey, the reference of Ruiz et al."""

    def objective(images: Tensor, _: int) -> Tensor:
        return (generate(images, clean.condition) - 0.5).square().mean(dim=(1, 2, 3))

    def bound(images: Tensor) -> Tensor:
        return project(images, clean.crops, recipe.epsilon)

    noise = uniform_noise(clean.crops, seed, first=0)
    start = bound(clean.crops + recipe.epsilon / 2 * noise)
    return ascend(
        slope_of(objective),
        start,
        bound,
        step_size=recipe.step_size,
        steps=recipe.attack_steps,
    )


@dataclass
class AdversarialTraining(Learner):
    """Blur, then the fine-tuned copy in the generator's place."""

    translator: Translator
    sigma: float = 1.5
    size: int = 11
    recipe: AdversarialRecipe = AdversarialRecipe()
    name = "adversarial-training"
    paper = "Ruiz et al., Disrupting Deepfakes, ECCV workshops 2020"
    _copy: Translator | None = None

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Of blur, training and attack."""
        return {
            "sigma": self.sigma,
            "size": self.size,
            "steps": self.recipe.steps,
            "batch": self.recipe.batch,
            "rate": self.recipe.rate,
            "fresh_every": self.recipe.fresh_every,
            "attack": f"pgd {self.recipe.epsilon:g}, {self.recipe.attack_steps} steps",
            "seed": self.recipe.seed,
        }

    def shorten(self, share: float) -> None:
        """Fewer steps."""
        self.recipe = replace(self.recipe, steps=shortened(self.recipe.steps, share))

    def _fresh(self) -> Translator:
        module = copy.deepcopy(self.translator.module)
        return Translator(self.translator.record, module.requires_grad_(True))

    def fit(self, material: Material) -> None:
        """Fine-tune a copy on the material's faces."""
        self._copy = self._fresh()
        draw = torch.Generator().manual_seed(self.recipe.seed)
        optimiser = torch.optim.Adam(self._copy.module.parameters(), lr=self.recipe.rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.recipe.steps)
        shape = (self.recipe.steps, self.recipe.batch)
        drawn = torch.randint(len(material.clean), shape, generator=draw)
        for index, rows in enumerate(drawn.to(material.clean.crops.device)):
            clean = material.clean[rows]
            attacked = self._attacked(index, clean, material.attacked.crops[rows])
            inputs = torch.cat([clean.crops, attacked])
            outputs = self._copy.translate(
                blur(inputs, self.sigma, self.size), clean.condition.repeat(2, 1)
            )
            wanted = clean.draft.repeat(2, 1, 1, 1)
            loss = (outputs - wanted).abs().mean() + (outputs - wanted).square().mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        self._copy.module.requires_grad_(False)

    def _attacked(self, index: int, clean: Samples, ready: Tensor) -> Tensor:
        """Attacks at hand, or new ones that push the copy's output away from mid-grey."""
        if self._copy is None or (index + 1) % self.recipe.fresh_every:
            return ready
        return away_from_grey(self._blurred, clean, self.recipe, seed=index)

    def _blurred(self, crops: Tensor, condition: Tensor) -> Tensor:
        assert self._copy is not None
        return self._copy.translate(blur(crops, self.sigma, self.size), condition)

    def reconstruct(self, crops: Tensor) -> Tensor:
        """The blur: what the input metrics are measured on."""
        return blur(crops, self.sigma, self.size)

    def translate(self, generate: Generate, crops: Tensor, condition: Tensor) -> Tensor:
        """The copy's translation of the blurred crops; `generate` is replaced.

        Raises:
            RuntimeError: it was not trained.
        """
        if self._copy is None:
            raise RuntimeError("adversarial-training has not been trained")
        with torch.no_grad():
            return self._blurred(crops, condition)

    def state(self) -> State:
        """Weights of the copy."""
        return {} if self._copy is None else dict(self._copy.module.state_dict())

    def restore(self, state: State) -> None:
        """Take back the weights."""
        self._copy = self._fresh()
        self._copy.module.load_state_dict(state)
        self._copy.module.requires_grad_(False)
