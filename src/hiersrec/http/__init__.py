"""A bundle -> a web service: recommendations as JSON, what to watch it by, and a page for people."""
