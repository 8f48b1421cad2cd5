"""Session state, and outputs of earlier tasks -> logits and loss. One file a task; the folder is the registry."""
