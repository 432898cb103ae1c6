"""Use cases. They own order, locks and cancellation, and declare the protocols of what they need."""
