"""Projected gradient descent and its single-step form (paper, eq. 1 and 2).

Epsilon and step size are in the paper's units, those of images in [-1, 1]: 0.05 is 6.375/255.
Source: Madry et al., ICLR 2018; Goodfellow et al., ICLR 2015 (FGSM); Ruiz et al. 2020 for the
loss on a generator's output.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Generate = Callable[[Tensor, Tensor], Tensor]
"""Differentiable: crops in [0, 1] and conditions to translations in [0, 1]."""

FGSM_JITTER = 0.001
"""Start of FGSM in [-1, 1]: at the image itself the gradient of eq. 1 is exactly zero."""


def project(images: Tensor, origin: Tensor, epsilon: float) -> Tensor:
    """The nearest images in [0, 1] within epsilon (in [-1, 1] units) of the origin."""
    reach = epsilon / 2
    return torch.clamp(torch.clamp(images, origin - reach, origin + reach), 0, 1)


def round_within(images: Tensor, origin: Tensor, epsilon: float) -> Tensor:
    """Round to 8-bit levels toward the origin where rounding would leave the epsilon ball."""
    levels = (images * 255).round()
    low = torch.ceil((origin - epsilon / 2) * 255 - 1e-3)
    high = torch.floor((origin + epsilon / 2) * 255 + 1e-3)
    return (torch.clamp(levels, low, high) / 255).clamp(0, 1)


def pgd(
    generate: Generate,
    images: Tensor,
    condition: Tensor,
    *,
    epsilon: float = 0.05,
    step_size: float = 0.01,
    steps: int = 10,
    target: Tensor | None = None,
    seed: int = 0,
) -> Tensor:
    """Perturb images so that their translation breaks, or becomes `target`.

    Args:
        images: (F, 3, S, S) in [0, 1].
        condition: (F, C).
        epsilon: bound of the maximum norm, [-1, 1] units.
        step_size: length of a step, [-1, 1] units.
        steps: gradient steps from a random start in the ball.
        target: (F, 3, S, S) in [0, 1] that the translation is moved toward (eq. 2); without it
            the translation is moved away from that of the clean images (eq. 1).
        seed: of the random start, which is drawn on the CPU and so the same on every device.

    Returns:
        Images (F, 3, S, S) in [0, 1], exactly within the bound.
    """
    with torch.no_grad():
        reference = generate(images, condition) if target is None else target
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(images.shape, generator=generator).to(images) * 2 - 1
    perturbed = project(images + noise * epsilon / 2, images, epsilon)
    sign = 1.0 if target is None else -1.0
    for _ in range(steps):
        gradient = output_gradient(generate, perturbed, condition, reference)
        perturbed = project(perturbed + sign * step_size / 2 * gradient.sign(), images, epsilon)
    return perturbed


def output_gradient(
    generate: Generate, images: Tensor, condition: Tensor, reference: Tensor
) -> Tensor:
    """Gradient with respect to the images of the squared output error, summed over faces."""
    held = images.detach().requires_grad_(True)
    # A sum over faces keeps each face's gradient independent of the batch.
    loss = (generate(held, condition) - reference).square().mean(dim=(1, 2, 3)).sum()
    (gradient,) = torch.autograd.grad(loss, held)
    return gradient


def fgsm(
    generate: Generate, images: Tensor, condition: Tensor, *, epsilon: float = 0.05, seed: int = 0
) -> Tensor:
    """One signed gradient step of length epsilon from a slightly jittered start."""
    with torch.no_grad():
        reference = generate(images, condition)
    generator = torch.Generator().manual_seed(seed)
    jitter = torch.rand(images.shape, generator=generator).to(images) * 2 - 1
    start = project(images + jitter * FGSM_JITTER / 2, images, epsilon)
    gradient = output_gradient(generate, start, condition, reference)
    return project(start + epsilon / 2 * gradient.sign(), images, epsilon)
