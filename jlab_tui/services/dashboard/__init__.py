"""What a dashboard shows and does."""
