"""Files or frames of sessions -> a file of recommendations, in blocks that processes or Spark score, resumable."""
