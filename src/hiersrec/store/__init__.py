"""Dataset folder -> batches. Memory-mapped flat arrays; prefixes are never copied; nothing is pickled."""
