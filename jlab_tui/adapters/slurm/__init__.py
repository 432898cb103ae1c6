"""Slurm's commands, and the job that runs the server."""
