"""What Slurm's commands print and take, as values and sentences."""
