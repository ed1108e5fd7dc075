"""Training data, built from the project's own stories, lines and simulated children: ``python -m adapters.data build``."""
