"""ssh, as this machine has it: its open connections, and what is sent through them."""
