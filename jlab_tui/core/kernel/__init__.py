"""The conversation with one kernel: messages on the wire, and the facts that they tell."""
