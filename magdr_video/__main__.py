"""`python -m magdr_video` is `magdr-video`."""

from magdr_video.command import main

main()
