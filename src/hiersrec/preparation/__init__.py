"""Events table -> dataset folder, as Ibis expressions that DuckDB runs in this process, or Spark."""
