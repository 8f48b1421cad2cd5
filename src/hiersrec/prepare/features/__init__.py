"""Metadata columns of the items table -> tokens or vectors, one file a kind: `fit` learns, `apply` encodes."""
