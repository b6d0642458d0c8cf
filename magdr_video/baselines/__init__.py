"""The detectors and reconstructors that the paper compares with (tables 1 and 2)."""
