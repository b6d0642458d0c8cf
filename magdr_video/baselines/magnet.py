"""MagNet (Meng and Chen, CCS 2017; row and column 'Meng' of tables 1 and 2).

Detection: faces are far from what clean faces look like when an auto-encoder trained on those
changes them much (mean absolute and mean squared error), or when the generator sees something
else in the reformed face. The paper compares softmax outputs of a classifier at temperatures 10
and 40 by Jensen-Shannon divergence; a generator has none, so the softmax is taken over the
channels of its last residual block at each place and the divergence averaged over places.
Nothing is learned from attacked faces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from magdr_video.baselines.autoencoders import (
    AutoencoderRecipe,
    autoencoder_one,
    autoencoder_two,
    face_autoencoder,
    fit_autoencoder,
    reform,
)
from magdr_video.baselines.bases import ImageReconstructor, Learner, shortened
from magdr_video.baselines.bottleneck import bottleneck
from magdr_video.baselines.protocol import Material, Parameter, Samples, State
from magdr_video.baselines.thresholds import clean_threshold
from magdr_video.translation import Translator

DETECTORS_RECIPE = AutoencoderRecipe(steps=1000, batch=16, patch=32, rate=1e-2)
"""Noise 0.1 as in the paper; its 100 epochs of 60,000 digits are 23,000 batches of 256."""
REFORMER_RECIPE = AutoencoderRecipe(steps=2000, batch=16, noise=(0.025, 0.1))


def divergence(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Mean Jensen-Shannon divergence over places in nats, (F,), in [0, log 2].

    Args:
        first: features (F, K, h, w), whose softmax over K at `temperature` is a distribution.
        second: the same shape.
    """
    p, q = (torch.softmax(held.double() / temperature, dim=1) for held in (first, second))
    middle = ((p + q) / 2).log()
    each = (p * (p.log() - middle) + q * (q.log() - middle)).sum(dim=1) / 2
    return each.mean(dim=(1, 2)).float()


def _pack(nets: Mapping[str, nn.Module]) -> State:
    parts = [(name, net.state_dict()) for name, net in nets.items()]
    return {f"{name}.{key}": value for name, held in parts for key, value in held.items()}


def _unpack(nets: Mapping[str, nn.Module], state: State) -> None:
    for name, net in nets.items():
        own = {k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")}
        net.load_state_dict(own)
        net.eval()


@dataclass
class MagNetDetector(Learner):
    """The four detectors of MagNet, each with its threshold; a face is perturbed if any says so."""

    translator: Translator
    recipe: AutoencoderRecipe = DETECTORS_RECIPE
    drop_rate: float = 0.001
    """Share of the clean training faces that each detector may lose."""
    temperatures: tuple[float, float] = (10.0, 40.0)
    name = "magnet"
    paper = "Meng and Chen, MagNet, CCS 2017"
    own_threshold: float = 1.0
    _nets: dict[str, nn.Sequential] = field(default_factory=dict)
    _marks: State = field(default_factory=dict)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Of detectors and auto-encoders."""
        return {
            "detectors": "AE I squared, AE II absolute, JSD at T "
            + ", ".join(f"{t:g}" for t in self.temperatures),
            "drop_rate": self.drop_rate,
            "noise": self.recipe.noise[0],
            "steps": self.recipe.steps,
            "batch": self.recipe.batch,
            "patch": self.recipe.patch,
            "rate": self.recipe.rate,
            "seed": self.recipe.seed,
        }

    def shorten(self, share: float) -> None:
        """Fewer steps."""
        self.recipe = replace(self.recipe, steps=shortened(self.recipe.steps, share))

    def _build(self) -> None:
        self._nets = {"one": autoencoder_one(), "two": autoencoder_two()}
        for net in self._nets.values():
            net.to(self.translator.device)

    def fit(self, clean: Samples, attacked: Samples) -> None:
        """Train the auto-encoders and set the thresholds, on clean faces alone."""
        self._build()
        for net in self._nets.values():
            fit_autoencoder(net, clean.crops, self.recipe)
        seen = self.marks(clean.crops, clean.condition)
        limits = [clean_threshold(column, self.drop_rate) for column in seen.T]
        self._marks = {"usual": seen.median(dim=0).values, "limit": torch.tensor(limits)}

    def marks(self, crops: Tensor, condition: Tensor) -> Tensor:
        """What each detector measures, (F, 4): two errors, two divergences."""
        one, two = (reform(self._nets[name], crops) for name in ("one", "two"))
        errors = [(crops - one).square().mean(dim=(1, 2, 3)), (crops - two).abs().mean((1, 2, 3))]
        seen = bottleneck(self.translator, crops, condition)
        again = bottleneck(self.translator, two, condition)
        errors += [divergence(seen, again, t) for t in self.temperatures]
        return torch.stack(errors, dim=1).cpu()

    def score(self, crops: Tensor, condition: Tensor, draft: Tensor) -> Tensor:
        """The furthest of the four, (F,): 0 is usual for clean faces, above 1 is beyond its limit.

        Raises:
            RuntimeError: it was not fitted.
        """
        if not self._marks:
            raise RuntimeError("magnet has not been fitted")
        if len(crops) == 0:
            return torch.zeros(0)
        usual, limit = self._marks["usual"], self._marks["limit"]
        away = (self.marks(crops, condition) - usual) / (limit - usual).clamp(min=1e-12)
        return away.max(dim=1).values

    def state(self) -> State:
        """Auto-encoders and thresholds."""
        return _pack(self._nets) | dict(self._marks)

    def restore(self, state: State) -> None:
        """Take back auto-encoders and thresholds."""
        self._build()
        _unpack(self._nets, state)
        self._marks = {key: state[key] for key in ("usual", "limit")}


@dataclass
class MagNetReformer(ImageReconstructor, Learner):
    """An auto-encoder that pulls a face towards clean ones."""

    width: int = 24
    recipe: AutoencoderRecipe = REFORMER_RECIPE
    name = "magnet-reformer"
    paper = "Meng and Chen, MagNet, CCS 2017"
    _net: nn.Sequential | None = None

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Of the auto-encoder and its training."""
        low, high = self.recipe.noise
        return {
            "width": self.width,
            "noise": f"{low:g} to {high:g}",
            "steps": self.recipe.steps,
            "batch": self.recipe.batch,
            "patch": self.recipe.patch,
            "rate": self.recipe.rate,
            "seed": self.recipe.seed,
        }

    @property
    def of_generator(self) -> bool:
        """It knows clean faces only."""
        return False

    def shorten(self, share: float) -> None:
        """Fewer steps."""
        self.recipe = replace(self.recipe, steps=shortened(self.recipe.steps, share))

    def fit(self, material: Material) -> None:
        """Train on clean faces alone, at the size of the crops."""
        self._net = face_autoencoder(self.width).to(material.clean.crops.device)
        fit_autoencoder(self._net, material.crops, self.recipe)

    def reconstruct(self, crops: Tensor) -> Tensor:
        """Reform the crops.

        Raises:
            RuntimeError: it was not trained.
        """
        if self._net is None:
            raise RuntimeError("magnet-reformer has not been trained")
        return reform(self._net, crops)

    def state(self) -> State:
        """Weights of the auto-encoder."""
        return {} if self._net is None else dict(self._net.state_dict())

    def restore(self, state: State) -> None:
        """Take back the weights."""
        self._net = face_autoencoder(self.width)
        self._net.load_state_dict(state)
        self._net.eval()
