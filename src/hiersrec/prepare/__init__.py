"""Events table -> dataset folder. Written once in Ibis expressions, run by DuckDB inside the process, or by Spark."""
