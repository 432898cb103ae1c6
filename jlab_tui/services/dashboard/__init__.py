"""What a dashboard watches and does."""
