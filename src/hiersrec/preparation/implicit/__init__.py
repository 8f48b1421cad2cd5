"""Implicit categories: clusters of items that training sessions visit together (paper, section 3)."""
