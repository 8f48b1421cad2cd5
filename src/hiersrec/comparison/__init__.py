"""Evaluated runs -> groups that differ only in seed -> one table of means, differences and tests."""
