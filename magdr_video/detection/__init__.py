"""Is this face perturbed?"""
