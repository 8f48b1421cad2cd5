"""Public datasets: each file declares a dataset and finds its tables in a folder. The folder is the registry."""
