from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.transform import SimilarityTransform

from magdr_video.errors import SettingsError
from magdr_video.faces.alignment import align, crop_affine
from magdr_video.faces.templates import ALIGNMENTS, similarity, template
from magdr_video.faces.warping import resample
from magdr_video.types import Faces
from magdr_video.video.colour import from_rgb
from tests.faces.batches import LAYOUTS, make_batch, make_faces

MARGIN = 1.3


def exact_box(corner: tuple[float, float], size: int) -> Faces:
    """A face whose 'box' crop of `size` pixels starts at `corner` and has scale 1."""
    centre = np.array([corner]) + size / 2
    return make_faces([0], centre, size / MARGIN)


def test_the_similarity_is_that_of_umeyama_as_scikit_image_has_it() -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform(0, 400, (6, 5, 2))
    target = rng.uniform(0, 128, (5, 2))
    for face, got in zip(points, similarity(points, target), strict=True):
        reference = SimilarityTransform.from_estimate(face, target)
        np.testing.assert_allclose(got, reference.params[:2], atol=1e-9)


@pytest.mark.parametrize("name", ["ffhq", "celeba", "openface"])
def test_a_turned_and_scaled_template_lands_on_the_template(name: str) -> None:
    wanted = template(name, 128)
    turn = np.array([[0.8, -0.6], [0.6, 0.8]]) * 2.5
    faces = make_faces([0], np.array([[50.0, 50.0]]), 20)
    faces = replace(faces, landmarks=(wanted @ turn.T + [40, 30])[None].astype(np.float32))
    affine = crop_affine(faces, 128, name)[0]
    landed = faces.landmarks[0] @ affine[:, :2].T + affine[:, 2]
    np.testing.assert_allclose(landed, wanted, atol=1e-3)


def test_faces_on_wide_pixels_are_seen_unsqueezed() -> None:
    aspect = 12 / 11
    wanted = template("ffhq", 64)
    stored = wanted * 2 / np.array([aspect, 1.0])
    faces = make_faces([0], np.array([[50.0, 50.0]]), 20)
    faces = replace(faces, landmarks=stored[None].astype(np.float32))
    affine = crop_affine(faces, 64, "ffhq", aspect=aspect)[0]
    landed = faces.landmarks[0] @ affine[:, :2].T + affine[:, 2]
    np.testing.assert_allclose(landed, wanted, atol=1e-3)


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("corner", [(20.0, 12.0), (21.0, 13.0), (20.5, 12.25)])
def test_ramps_keep_their_place_in_every_plane(layout: str, corner: tuple[float, float]) -> None:
    """Values are the coordinates of the samples: a wrong siting shows as an offset of 0.5."""
    vertical, horizontal = LAYOUTS[layout]
    batch = make_batch(1, 64, 96, layout=layout)
    y, u, v = (plane.astype(np.uint16) for plane in batch.planes)
    x_of_column = np.arange(u.shape[2]) * 2**horizontal + 0.5
    y_of_row = (np.arange(v.shape[1]) + 0.5) * 2**vertical
    y[:] = np.round((np.arange(96) + 0.5) * 8 + 1800)
    u[:] = np.round(x_of_column * 4 + 1900)
    v[:] = np.round(y_of_row[:, None] * 4 + 1950)
    batch = replace(batch, planes=(y, u, v), bits=12, pixel_format=f"yuv{layout}p12le")
    crops = align(batch, exact_box(corner, 32), 32, "box")
    got = [plane[0].numpy() for plane in from_rgb(crops.data, batch.colour, 12)]
    x = corner[0] + np.arange(32) + 0.5
    down = corner[1] + np.arange(32) + 0.5
    np.testing.assert_allclose(got[0], np.tile(x * 8 + 1800, (32, 1)), atol=0.6)
    np.testing.assert_allclose(got[1], np.tile(x * 4 + 1900, (32, 1)), atol=0.6)
    np.testing.assert_allclose(got[2], np.tile(down[:, None] * 4 + 1950, (1, 32)), atol=0.6)


def test_the_frames_edge_is_repeated_beyond_it() -> None:
    batch = make_batch(1, 64, 64)
    flat = [np.full_like(plane, 128) for plane in batch.planes]
    flat[0][:, 0, :] = 60
    batch = replace(batch, planes=tuple(flat))
    crops = align(batch, exact_box((10.0, -20.0), 40), 40, "box")
    luma = from_rgb(crops.data, batch.colour, 8)[0][0]
    np.testing.assert_allclose(luma[:20].numpy(), 60, atol=0.1)
    np.testing.assert_allclose(luma[22:].numpy(), 128, atol=0.1)


@pytest.mark.parametrize("ratio", [1.9, 3.0, 9.0])
def test_a_face_larger_than_its_crop_does_not_alias(ratio: float) -> None:
    batch = make_batch(1, 400, 400)
    flat = [np.full_like(plane, 128) for plane in batch.planes]
    flat[0][:, ::2] = 40
    flat[0][:, 1::2] = 200
    batch = replace(batch, planes=tuple(flat))
    side = 40 * ratio
    faces = make_faces([0], np.array([[200.0, 200.0]]), side / MARGIN)
    luma = from_rgb(align(batch, faces, 40, "box").data, batch.colour, 8)[0]
    assert float(luma.std()) < 32  # 80 in the source; a box of three pixels lets a third through
    assert abs(float(luma.mean()) - 120) < 2


def test_a_crop_does_not_depend_on_the_faces_beside_it() -> None:
    batch = make_batch(2, 120, 160)
    faces = make_faces([0, 0, 1], np.array([[40.0, 40], [110, 70], [60, 60]]), 30)
    faces.boxes[1] += [-20, -20, 20, 20]
    together = align(batch, faces, 24, "box").data
    for index in range(3):
        only = Faces(*(getattr(faces, name)[index : index + 1] for name in vars(faces)))
        alone = align(batch, only, 24, "box").data[0]
        torch.testing.assert_close(together[index], alone, atol=2e-4, rtol=0)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_a_batch_without_faces_gives_no_crops(alignment: str) -> None:
    crops = align(make_batch(2), Faces.none(), 32, alignment)
    assert crops.data.shape == (0, 3, 32, 32)


def test_grey_planes_give_grey_crops() -> None:
    batch = make_batch(1, 64, 64)
    batch = replace(batch, planes=batch.planes[:1], pixel_format="gray")
    data = align(batch, exact_box((10.0, 10.0), 32), 32, "box").data
    torch.testing.assert_close(data[:, 0], data[:, 1], atol=1e-6, rtol=0)


def test_an_unknown_alignment_names_the_nearest() -> None:
    faces = make_faces([0], np.array([[50.0, 50.0]]), 20)
    with pytest.raises(SettingsError) as caught:
        align(make_batch(1), faces, 32, "ffgh")
    assert "ffhq" in caught.value.hint


@pytest.mark.parametrize("scale", [0.4, 1.0, 7.0])
def test_channels_that_fade_are_zero_beyond_the_edge_and_the_others_repeat_it(
    scale: float,
) -> None:
    source = torch.rand(2, 3, 20, 24, generator=torch.Generator().manual_seed(0)) + 0.1
    beyond = -3 * max(scale, 1)
    affine = np.array([[[scale, 0.1, beyond], [-0.1, scale, beyond]]] * 2)
    both = resample(source, affine, 16, 16, fading=1)
    torch.testing.assert_close(both[:, :2], resample(source[:, :2], affine, 16, 16))
    faded = resample(source[:, 2:], affine, 16, 16, outside="zeros")
    torch.testing.assert_close(both[:, 2:], faded, atol=1e-5, rtol=0)
    assert float(faded[:, :, 0, 0].max()) == 0 < float(both[:, :2, 0, 0].min())
