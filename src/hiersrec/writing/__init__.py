"""Results -> files: tables as Markdown, LaTeX and JSON, pictures as PNG and SVG."""
