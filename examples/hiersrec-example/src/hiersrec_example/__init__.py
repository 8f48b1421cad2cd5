"""Members of hiersrec's registries from another distribution: a template."""
