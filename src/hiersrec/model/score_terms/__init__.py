"""What is added to the product of query and item vector: one file a term (score_term.py)."""
