"""Evaluated runs -> groups that differ in seed alone -> one table of means, differences and tests."""
