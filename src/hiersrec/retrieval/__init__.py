"""Scores -> ordered lists: the one order in which items are served and ranks are evaluated."""
