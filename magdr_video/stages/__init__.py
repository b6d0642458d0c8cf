"""The stages of a real run, built from settings, and the state they carry between frames."""
