"""The command line: parse, call, print.

It lives inside the package, so that an installed `magdr-video` puts no module called `cli` among
other packages' modules; `cli.py` beside the package starts the same program from a checkout.
Importing it loads no torch.
"""

from __future__ import annotations

from magdr_video.command.entry import main

__all__ = ["main"]
