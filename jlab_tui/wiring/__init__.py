"""Composition roots: each builds adapters and services from settings for one program. No behaviour lives here."""
