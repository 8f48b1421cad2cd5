"""Recipe + its [search] + dataset folder -> the settings that are best on the validation sessions."""
