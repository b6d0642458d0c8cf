"""The paper's own figures (Chen et al., CVPR 2021), quoted as context only (METHOD 9.5).

They were measured on other generators, faces and sizes; what can be compared is said in
`RESERVATIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping

TASKS = ("replace", "edit", "reenact")

TABLE_1: Mapping[tuple[str, str], tuple[tuple[float, float, float], ...]] = {
    ("DD", "cw"): ((0.84, 1.00, 0.91), (0.96, 0.96, 0.96), (0.92, 0.92, 0.92)),
    ("DD", "pgd"): ((0.76, 1.00, 0.87), (0.99, 0.99, 0.99), (0.94, 0.94, 0.94)),
    ("CD", "cw"): ((0.87, 0.99, 0.92), (0.96, 0.96, 0.96), (0.76, 0.86, 0.81)),
    ("CD", "pgd"): ((0.95, 0.94, 0.94), (0.98, 0.99, 0.99), (0.97, 0.78, 0.87)),
    ("MagDR", "cw"): ((0.96, 1.00, 0.98), (0.96, 0.96, 0.96), (0.92, 0.92, 0.92)),
    ("MagDR", "pgd"): ((0.95, 1.00, 0.97), (1.00, 1.00, 1.00), (0.97, 0.94, 0.95)),
}
"""Precision, recall and F1 by (detector, attack), for each of `TASKS`."""

COLUMNS_2 = ("Xie", "Prakash", "Meng", "Yang", "Nataniel", "Gintare", "Mustafa", "MagDR")
TABLE_2: Mapping[str, tuple[float, ...]] = {
    '"MSE" (I)': (25.59, 25.56, 27.66, 21.17, 24.59, 17.69, 15.53, 11.40),
    "SSIM (I)": (0.72, 0.72, 0.76, 0.81, 0.75, 0.82, 0.88, 0.89),
    "PSNR (I)": (32.90, 32.91, 30.12, 32.44, 33.25, 36.11, 38.60, 39.92),
    "feature similarity (I)": (0.72, 0.73, 0.67, 0.73, 0.69, 0.72, 0.75, 0.77),
    '"MSE" (O)': (257.19, 242.34, 34.98, 27.47, 43.64, 35.25, 30.60, 23.93),
    "SSIM (O)": (0.09, 0.08, 0.68, 0.75, 0.69, 0.82, 0.86, 0.88),
    "PSNR (O)": (12.86, 13.37, 28.08, 30.17, 28.26, 30.12, 31.35, 33.48),
    "feature similarity (O)": (0.09, 0.14, 0.66, 0.74, 0.66, 0.71, 0.75, 0.76),
}
"""As printed, a column a reconstructor."""

RESERVATIONS = (
    "The paper's generators (CycleGAN, StarGAN and GANimation at full size, trained on CelebA and "
    "FaceForensics++), faces and sample sizes are not ours: absolute figures cannot be compared. "
    "What can be compared is the order of the rows inside one harness.",
    "The paper has no row without a defence and no clean cost. A reconstructor may only be judged "
    "beside both.",
    'Its column "MSE" is not a mean squared error: in most cells it is 4.43 or 3.48 times the RMSE '
    "(0 to 255) that the PSNR beside it implies, so it is a norm. It is compared with nothing.",
    "Its SSIM of 0.89 at 39.9 dB does not fit the standard SSIM (0.95 to 0.97 there), and its "
    '"feature similarity" is not FSIM; its best reading is a cosine of features. Both readings '
    "are measured here.",
    "Its Table 1 seems to mix averages: NNIF, DD, CD and MagDR satisfy F1 = 2PR / (P + R), "
    "several other cells do not, so they may be macro averages. Both F1 are given here.",
    "A detector that always says 'disrupted' has a binary F1 of 0.67 on a balanced set. It has a "
    "row of its own.",
    "The paper does not state epsilon, the number of images, thresholds or the constants of C&W. "
    "Ours are in the tables' documents.",
    "Figures are purification efficacy under the stated threat model, not robustness: the method "
    "searches at inference and its transforms mask gradients.",
)
