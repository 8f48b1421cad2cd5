"""The public Python API, one file a verb; `import hiersrec as hr` offers all of it, and `cli/` calls nothing else.

Each function takes paths or opened objects, checks its arguments, and returns an object that shows itself as a table.
"""
