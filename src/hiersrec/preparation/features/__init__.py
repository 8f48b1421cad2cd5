"""Metadata columns of the items table -> tokens or vectors, one file a kind; the folder is the registry.

A member has

    NEEDS                what its columns hold, in words
    fits(type)           whether it takes columns of an Arrow type
    fit(values)          learns a codebook, plain values and arrays by name, from the values of the catalogue's items
    apply(codebook, values)   (M, W) int32 tokens from 1, 0 for none, right-padded; or float32 vectors, zeros for none

and, where it needs them,

    vocabulary(codebook)  number of tokens, 0 included; a kind without it makes vectors
    plain(name, column, item)   an Arrow column -> a value for each item, None where missing; texts if left out
    SETTINGS              fields of `Metadata` that `fit` takes after the values
    REPORTS_PROGRESS      True: `apply` takes a third argument, a function of (values done, all values)
    SHOWN                 False: its column is too large to be kept for display
    OPTION, columns(metadata)   of hiersrec's own kinds: the option of the command line, and the columns that it names

Any member can be named with --kind COLUMN=KIND.
"""
