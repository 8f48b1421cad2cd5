"""Batch -> scores: inputs, encoder, pooling, and tasks in the order of the recipe (paper, eq. 1-7)."""
