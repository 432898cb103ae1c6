"""The palette's commands in the order in which the dashboard gives them; Textual's own provider sorts them by name."""

from __future__ import annotations

from textual.command import DiscoveryHit, Hits
from textual.system_commands import SystemCommandsProvider


class KeyCommands(SystemCommandsProvider):
    async def discover(self) -> Hits:
        for name, help_text, callback, is_shown in self.app.get_system_commands(self.screen):
            if is_shown:
                yield DiscoveryHit(name, callback, help=help_text)
