"""How a login node reaches a server that it opens no port to."""
