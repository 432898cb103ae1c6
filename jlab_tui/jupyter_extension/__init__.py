"""Runs inside the user's Jupyter server, imports nothing from the rest of the package, and needs Python >= 3.9.

A copy of the folder works too, anywhere and under any name: `launch.py` loads it as the package `jlab_mcp_extension`.
So all imports in here are relative.
"""

from __future__ import annotations

from typing import Dict, List

__version__ = "1.0.0"
PROTOCOL = 2
"""version of the protocol in channels.py; grows with each change that earlier clients do not understand"""


def _jupyter_server_extension_points() -> List[Dict[str, str]]:
    return [{"module": __name__ + ".extension"}]
