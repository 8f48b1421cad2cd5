"""How the item task's probabilities are trained, whatever its head. One file a softmax; the folder is the registry."""
