"""The paper's tables and figures, one file each: what `hiersrec reproduce NAME` makes. The folder is the registry.

A member has RECIPES, the recipes that it needs runs of, and `make(bench) -> Output`, called when those runs are there.
"""
