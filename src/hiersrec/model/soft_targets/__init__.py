"""Which other items share in the target: one file each (soft_target.py)."""
