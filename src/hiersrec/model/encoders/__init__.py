"""Item vectors (B, T, D) -> states (B, T, D). One file an encoder; the folder is the registry."""
