"""What a model reads about a run."""
