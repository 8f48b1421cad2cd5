"""Baselines that are not just another recipe of the model. One file each; the folder is the registry."""
