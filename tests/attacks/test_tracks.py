"""One perturbation for many frames: bound, effect, motion, and what averaging leaves of it."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from magdr_video.attacks.motion import Motion, carry
from magdr_video.attacks.problem import Options, Problem
from magdr_video.attacks.registry import ATTACKS, attack
from magdr_video.attacks.tracks import (
    METHODS,
    MOST_FACES,
    TrackSample,
    track_change,
    with_change,
)
from magdr_video.errors import SettingsError
from tests.toys import ToyGenerator, pictures

EPSILON = 0.05
GENERATE = ToyGenerator()
CONDITIONS = torch.tensor([[0.0], [0.5]])


def sample_of(images: Tensor, *, moving: bool = False) -> TrackSample:
    sample, motion = TrackSample(), Motion()
    for image in images:
        sample.add(image, motion.advance(image) if moving else None)
    return sample


def harm(images: Tensor, clean: Tensor) -> Tensor:
    condition = CONDITIONS[:1].expand(len(images), -1)
    with torch.no_grad():
        apart = GENERATE(images, condition) - GENERATE(clean, condition)
    return 4 * apart.square().flatten(1).mean(dim=1)


def sliding(count: int = 4, size: int = 48) -> Tensor:
    """A picture that moves two pixels to the right in each frame."""
    wide = pictures(1, 2 * size, seed=4)[0, :, :size]
    return torch.stack([wide[:, :, 20 - 2 * t : 20 - 2 * t + size] for t in range(count)])


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("moving", [False, True])
def test_every_frame_keeps_the_bound_and_the_range(name: str, moving: bool) -> None:
    images = sliding(3, 24)
    images[..., :4] = 0
    sample = sample_of(images, moving=moving)
    options = Options(epsilon=EPSILON, steps=1, samples=4)
    change = track_change(name, GENERATE, sample, CONDITIONS, options)
    assert change.shape == (1, 3, 24, 24)
    grids = torch.stack(sample.grids) if moving else None
    got = with_change(images, change, grids, EPSILON)
    apart = (got.double() - images.double()).abs()
    assert 0 < float(apart.max()) <= EPSILON / 2
    assert got.min() >= 0 and got.max() <= 1


def test_one_change_for_all_frames_harms_each_more_than_noise() -> None:
    images = pictures(3, 24)
    change = track_change("pgd", GENERATE, sample_of(images), CONDITIONS, Options())
    noise = attack("sign", Problem(GENERATE, images, CONDITIONS[:1].expand(3, -1))).images
    assert (harm(with_change(images, change, None, EPSILON), images) > harm(noise, images)).all()


def test_a_targeted_change_brings_each_frame_to_its_own_input() -> None:
    images = pictures(2, 24)
    condition = CONDITIONS[:1].expand(2, -1)

    def apart(held: Tensor) -> Tensor:
        with torch.no_grad():
            return (GENERATE(held, condition) - images).square().flatten(1).mean(dim=1)

    change = track_change("pgd", GENERATE, sample_of(images), CONDITIONS, Options(), targeted=True)
    assert (apart(with_change(images, change, None, EPSILON)) < apart(images)).all()


def test_averaging_frames_takes_away_what_is_made_frame_by_frame_and_keeps_what_is_shared() -> None:
    still = pictures(1, 24).expand(8, -1, -1, -1)
    change = track_change("sign", GENERATE, sample_of(still), CONDITIONS, Options())
    shared = with_change(still, change, None, EPSILON)
    each = attack("sign", Problem(GENERATE, still, CONDITIONS[:1].expand(8, -1))).images
    left = [float((held - still).mean(dim=0).abs().mean()) for held in (shared, each)]
    assert left[1] < 0.5 * left[0]


def test_a_carried_change_moves_with_the_picture() -> None:
    images = sliding()
    sample = sample_of(images, moving=True)
    change = torch.zeros(1, 3, 48, 48)
    change[..., 24, 20] = 1.0
    found = carry(change, torch.stack(sample.grids))
    places = [int(frame.sum(dim=0).argmax()) % 48 for frame in found]
    assert places[0] == 20
    assert abs(places[-1] - 26) <= 1  # three frames, two pixels each


def test_the_first_crop_has_the_identity_as_grid() -> None:
    grid = Motion().advance(pictures(1, 16)[0])[None]
    change = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(carry(change, grid), change, atol=1e-5, rtol=0)


@pytest.mark.parametrize("count", [1, MOST_FACES, MOST_FACES + 1, 5 * MOST_FACES + 3])
def test_a_sample_is_bounded_and_spread_over_the_track(count: int) -> None:
    sample = TrackSample()
    for number in range(count):
        sample.add(torch.full((3, 1, 1), float(number)))
    kept = [int(crop[0, 0, 0]) for crop in sample.crops]
    assert kept[0] == 0 and kept == sorted(set(kept))
    assert min(count, MOST_FACES // 2) <= len(kept) <= MOST_FACES
    steps = {b - a for a, b in pairwise(kept)}
    assert len(steps) <= 1 and count - kept[-1] <= max(steps, default=1)


def test_attacks_that_look_at_the_image_itself_are_refused() -> None:
    for name in set(ATTACKS) - set(METHODS):
        with pytest.raises(SettingsError, match="many frames"):
            track_change(name, GENERATE, sample_of(pictures(1, 16)), CONDITIONS, Options())
