"""Trackers for `--log NAME[=TARGET]`, one file each. The folder is the registry; see training/callbacks.py.

A member has `build(target, out)`, which returns a Callback for the run folder `out`; target is None if none is given.
It imports its package inside `build`. A resumed training continues the log: each step and each epoch is in it once.
"""
