"""A public dataset's own files -> events table and items table. One file a dataset; the folder is the registry."""
