"""Rivals that are not just another recipe of the model. One file a rival; the folder is the registry."""
