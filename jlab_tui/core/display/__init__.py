"""Output made readable without a browser: terminal text, MIME types, HTML, images."""
