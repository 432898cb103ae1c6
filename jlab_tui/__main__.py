"""`python -m jlab_tui` is the command `jlab-mcp`."""

from .entry import main

raise SystemExit(main())
