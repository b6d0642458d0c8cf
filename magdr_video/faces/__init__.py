"""Frames to aligned face crops and back."""
