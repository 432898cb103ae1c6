"""`python -m jlab_tui.demo DIRECTORY HOW` is the demo's player."""

import os
import sys

from .player import run_player

raise SystemExit(run_player(sys.argv[1:], dict(os.environ)))
