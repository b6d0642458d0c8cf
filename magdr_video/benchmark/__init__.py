"""The evaluation protocol (METHOD 9): tables, figures, sanity checks and speed."""
