"""What runs inside the user's Jupyter server. Imports nothing from the rest of the package; Python >= 3.9.

The folder also works on its own, copied anywhere and under any name: `launch.py` then loads it as the package
`jlab_mcp_extension`, so all imports in here are relative.
"""

from __future__ import annotations

from typing import Dict, List

__version__ = "1.0.0"
PROTOCOL = 2
"""of channels.py; grows with each change that an earlier client would not understand"""


def _jupyter_server_extension_points() -> List[Dict[str, str]]:
    return [{"module": __name__ + ".extension"}]
