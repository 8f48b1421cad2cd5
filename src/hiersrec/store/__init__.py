"""Dataset folder -> batches: memory-mapped flat arrays, prefixes that are never copied, and no pickle."""
