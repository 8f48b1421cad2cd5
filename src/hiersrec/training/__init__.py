"""Model + batches -> run folder."""
