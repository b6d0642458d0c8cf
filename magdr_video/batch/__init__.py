"""Many clips, one report: what is done with each, in which process, and what is done already."""
