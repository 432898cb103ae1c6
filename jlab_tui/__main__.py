"""`python -m jlab_tui` is the command `jlab-mcp`."""

from .cli import main

raise SystemExit(main())
