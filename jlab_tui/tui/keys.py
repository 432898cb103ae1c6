"""Every key of the dashboard: footer label, sentence for the help panel, group. Generates `docs/keys.md`."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True, slots=True)
class Key:
    """One binding and its sentence in the help panel."""

    keys: str
    """Textual's names, separated by commas"""
    shown: str
    """as shown to the user"""
    action: str
    """with `screen.` in front: only on the main screen"""
    label: str
    sentence: str
    group: str
    footer: int = 0
    """0: not in the footer; of the others the greatest is the first to go where the screen is narrow"""
    acts: bool = False
    """changes something; does nothing when read-only"""
    looks: bool = False
    """asks a live kernel, and changes nothing"""
    replays: bool = False
    """only in a replay, where it comes before what else the key does"""
    sometimes: bool = False
    """in the footer only while it helps (`key_context`)"""

    @property
    def binding(self) -> Binding:
        ident = self.action.replace("(", "-").replace(")", "").replace("'", "")
        return Binding(
            self.keys,
            self.action,
            self.label,
            show=False,
            key_display=self.shown,
            tooltip=self.sentence,
            id=ident,
            priority=self.replays,
        )


NEEDY = "screen.needy"

KEYS: tuple[Key, ...] = (
    Key(
        "full_stop",
        ".",
        NEEDY,
        "Needs you",
        "Go to the next session that needs you.",
        "Sessions",
        footer=1,
        sometimes=True,
    ),
    Key(
        "o",
        "o",
        "screen.expand",
        "Expand",
        "Show the whole cell, or fold it again.",
        "Cells",
        footer=7,
        sometimes=True,
    ),
    Key(
        "i",
        "i",
        "interrupt",
        "Interrupt",
        "Interrupt the session's kernel.",
        "Act",
        footer=4,
        acts=True,
    ),
    Key(
        "I",
        "I",
        "interrupt_why",
        "Interrupt, say why",
        "Interrupt the kernel; the model reads why.",
        "Act",
        acts=True,
    ),
    Key("c", "c", "comment", "Comment", "Write to the agent: its next reply says it.", "Act", 10, acts=True),
    Key("h", "h", "hold", "Hold next", "See the session's next code before it runs.", "Act", 14, acts=True),
    Key("H", "H", "hold_all", "Hold all", "See all code before it runs, or no more.", "Act", acts=True),
    Key(
        "colon",
        ":",
        "own_cell",
        "Own cell",
        "Run your own line; look into a busy kernel.",
        "Act",
        footer=15,
        acts=True,
    ),
    Key(
        "E",
        "E",
        "own_cell_written",
        "Own cell, editor",
        "Write a cell of your own in $EDITOR.",
        "Act",
        acts=True,
    ),
    Key(
        "r",
        "r",
        "restart",
        "Restart",
        "Restart the kernel; its memory is lost.",
        "Act",
        footer=13,
        acts=True,
    ),
    Key("x", "x", "kill", "Kill", "End the session and its kernel.", "Act", footer=11, acts=True),
    Key("slash", "/", "screen.search", "Search", "Search all cells of the feed.", "Find", footer=12),
    Key("question_mark", "?", "help", "Help", "Show all keys.", "Dashboard", footer=2),
    Key(
        "q",
        "q",
        "detach",
        "Quit",
        "Quit; server and sessions keep running.",
        "Dashboard",
        footer=3,
    ),
    Key("Q", "Q", "stop", "Stop", "Stop the server, or cancel the job.", "Act", acts=True),
    Key("left_square_bracket", "[", "screen.cell(-1)", "Previous cell", "Go to the previous cell.", "Cells"),
    Key("right_square_bracket", "]", "screen.cell(1)", "Next cell", "Go to the next cell.", "Cells"),
    Key(
        "enter", "enter", "screen.zoom", "Full screen", "Zoom the feed to the whole screen, or back.", "Cells"
    ),
    Key(
        "d",
        "d",
        "screen.difference",
        "Difference",
        "Show what changed since the cell ran last.",
        "Cells",
        footer=6,
        sometimes=True,
    ),
    Key("y", "y", "copy_code", "Copy code", "Copy the cell's code.", "Cells", footer=19, sometimes=True),
    Key("Y", "Y", "copy_output", "Copy output", "Copy the cell's text output.", "Cells"),
    Key(
        "v",
        "v",
        "screen.view",
        "View",
        "Show the cell's image or table full screen.",
        "Cells",
        footer=5,
        sometimes=True,
    ),
    Key("s", "s", "save", "Save image", "Save the cell's images as files.", "Cells"),
    Key("w", "w", "write", "Write output", "Write the cell's text output to a file.", "Cells"),
    Key("O", "O", "go_to", "Go to", "Go to JupyterLab, an editor or a pager.", "Cells"),
    Key("b", "b", "notebook", "Notebook", "Copy the path of the session's notebook.", "Sessions"),
    Key(
        "S",
        "S",
        "stacks",
        "Stuck?",
        "Show what the running code waits for.",
        "Sessions",
        footer=16,
        looks=True,
    ),
    Key(
        "V",
        "V",
        "variables",
        "Variables",
        "Show the variables of the session's kernel.",
        "Sessions",
        footer=17,
        looks=True,
    ),
    Key("n", "n", "screen.match(1)", "Next match", "Go to the next match.", "Find"),
    Key("N", "N", "screen.match(-1)", "Previous match", "Go to the previous match.", "Find"),
    Key(
        "e",
        "e",
        "screen.errors",
        "Errors only",
        "Show only failed cells, or all again.",
        "Find",
        footer=8,
        sometimes=True,
    ),
    Key(
        "f",
        "f",
        "screen.filter",
        "Filter sessions",
        "Show only sessions with a text in their name.",
        "Sessions",
    ),
    Key(
        "a,0",
        "a 0",
        "screen.all",
        "All sessions",
        "Show all sessions in one feed, or one again.",
        "Sessions",
        footer=9,
        sometimes=True,
    ),
    Key(
        "C",
        "C",
        "screen.history",
        "Closed sessions",
        "List the closed sessions, or fold them again.",
        "Sessions",
        footer=18,
        sometimes=True,
    ),
    Key("T", "T", "timeline", "Timeline", "Show when the cells of all sessions ran.", "Dashboard"),
    Key("m", "m", "screen.graphs", "Big graphs", "Show the graphs full screen.", "Dashboard"),
    Key("z", "z", "preset", "Layout", "Show other parts of the screen.", "Dashboard"),
    Key("t", "t", "theme", "Theme", "Switch between dark and light.", "Dashboard"),
    Key("ctrl+l", "^l", "repaint", "Repaint", "Draw the whole screen again.", "Dashboard"),
    Key(
        "ctrl+z",
        "^z",
        "suspend_process",
        "Suspend",
        "Suspend; fg brings the dashboard back.",
        "Dashboard",
    ),
    Key(
        "space", "space", "play", "Play, pause", "Play the recording, or pause it.", "Replay", 3, replays=True
    ),
    Key("left", "left", "seek(-1)", "Back", "Go back in the recording.", "Replay", 4, replays=True),
    Key("right", "right", "seek(1)", "On", "Go on in the recording.", "Replay", 4, replays=True),
    Key(
        "less_than_sign", "<", "speed(-1)", "Slower", "Play the recording slower.", "Replay", 4, replays=True
    ),
    Key(
        "greater_than_sign",
        ">",
        "speed(1)",
        "Faster",
        "Play the recording faster.",
        "Replay",
        4,
        replays=True,
    ),
    Key("escape", "esc", "screen.back", "Back", "Close the search, leave the full screen.", "Dashboard"),
)

OF_SELECTION: frozenset[str] = frozenset(
    key.action
    for key in KEYS
    if key.group in ("Act", "Cells", "Sessions") or key.action in ("preset", "timeline")
)
"""actions on what the main screen shows: its session, its cell, its layout"""

NUMBERS: tuple[Binding, ...] = tuple(
    Binding(str(n), f"screen.number({n})", f"Session {n}", show=False, id=f"number-{n}") for n in range(1, 10)
)

MOVING: tuple[tuple[str, str], ...] = (
    ("1-9", "Go to that session."),
    ("tab, shift+tab", "Go to the next or previous pane."),
    ("j k, arrows", "Scroll by a line; in the list: next session."),
    ("space, pgup, pgdn", "Scroll by a page."),
    ("g, G", "Go to the start, reading older cells; to the end, and follow."),
    ("ctrl+p", "All commands."),
    ("ctrl+c", "Copy what the mouse selected."),
)

GROUPS = ("Act", "Cells", "Find", "Sessions", "Dashboard")
REPLAY = "Replay"
"""group of the keys that only a replay has"""
