"""Finished run + newer data -> the weights that a training begins with."""
