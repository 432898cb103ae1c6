"""A session's journal: its entries, the short summary that lists read, and the lease on a session."""
