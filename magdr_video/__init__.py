"""magdr-video: mask-guided detection and reconstruction (MagDR, CVPR 2021) for video."""

__version__ = "0.1.0"
