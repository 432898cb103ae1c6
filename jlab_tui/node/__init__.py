"""What runs inside the user's Jupyter server. Imports nothing from the rest of the package; Python >= 3.9."""
