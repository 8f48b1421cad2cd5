"""Run folder + live session -> recommendations with reasons."""
