"""Scores -> ranks -> metrics -> reports. Knows numpy, not torch."""
