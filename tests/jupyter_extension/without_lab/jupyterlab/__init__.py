"""On a server's PYTHONPATH, this hides JupyterLab, as in an environment that has only jupyter_server."""

raise ImportError("hidden by a test")
