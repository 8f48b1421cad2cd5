"""Metadata columns of the items table -> tokens or vectors, one file per kind: `fit` learns, `apply` encodes."""
