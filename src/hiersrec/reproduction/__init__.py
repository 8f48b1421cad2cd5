"""The paper's tables and figures, one file each, made by `hiersrec reproduce NAME`. The folder is the registry.

A member has RECIPES, the recipes whose runs it needs, and `make(bench) -> Output`, called when those runs exist.
"""
