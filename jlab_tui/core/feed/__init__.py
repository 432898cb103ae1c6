"""What a dashboard shows of sessions, as a fold over journal entries."""
