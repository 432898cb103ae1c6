"""Slurm's commands, and the job that serves."""
