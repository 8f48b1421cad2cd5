"""A bundle -> a web service: recommendations as JSON, metrics for Prometheus, and a web page."""
