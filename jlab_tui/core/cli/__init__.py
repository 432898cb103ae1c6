"""What the command line needs besides its commands: completion, messages, client configuration."""
