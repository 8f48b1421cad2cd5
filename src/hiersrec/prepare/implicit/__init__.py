"""Categories where there are none: clusters of the items that training sessions visit together (paper, section 3)."""
