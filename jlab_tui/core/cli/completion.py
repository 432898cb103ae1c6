"""Shell completion as text, written from the command line's own description."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True, slots=True)
class Option:
    names: tuple[str, ...]
    """`-f`, `--follow`"""
    summary: str
    choices: tuple[str, ...] = ()
    takes_value: bool = False


@dataclass(frozen=True, slots=True)
class Subcommand:
    name: str
    """empty for the program itself"""
    summary: str
    options: tuple[Option, ...]
    words: tuple[str, ...] = ()
    """values of its positional argument"""
    argument: tuple[str, str] = ("", "")
    """name and summary of its positional argument"""


def described(parser: argparse.ArgumentParser) -> list[Subcommand]:
    """A parser and its commands as values, the parser itself first."""
    found = [_describe("", "", parser)]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {choice.dest: choice.help or "" for choice in action._choices_actions}
            found += [_describe(name, summaries[name], sub) for name, sub in action.choices.items()]
    return found


def _describe(name: str, summary: str, parser: argparse.ArgumentParser) -> Subcommand:
    options: list[Option] = []
    words: tuple[str, ...] = ()
    argument = ("", "")
    for action in parser._actions:
        choices = tuple(str(c) for c in action.choices or ())
        if action.option_strings:
            takes_value = action.nargs != 0
            options.append(Option(tuple(action.option_strings), action.help or "", choices, takes_value))
        elif not isinstance(action, argparse._SubParsersAction):
            words, argument = choices, (str(action.metavar or action.dest), action.help or "")
    return Subcommand(name, summary, tuple(options), words, argument)


def completion_script(shell: str, program: str, main: Subcommand, commands: tuple[Subcommand, ...]) -> str:
    """A script for one of SHELLS that completes commands, options and their values."""
    match shell:
        case "bash":
            return _bash(program, main, commands)
        case "zsh":
            return _zsh(program, main, commands)
        case "fish":
            return _fish(program, main, commands)
    raise ValueError(shell)


def _names(options: tuple[Option, ...]) -> list[str]:
    return [name for option in options for name in option.names]


def _bash(program: str, main: Subcommand, commands: tuple[Subcommand, ...]) -> str:
    function = "_" + program.replace("-", "_")
    lines = [
        f"# bash completion for {program}",
        f"{function}() {{",
        '    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"',
        "    local words=''",
        '    case "${COMP_WORDS[1]} $before" in',
    ]
    for command in commands:
        for option in command.options:
            if option.takes_value:
                patterns = "|".join(f"'{command.name} {name}'" for name in option.names)
                lines.append(f"        {patterns}) words='{' '.join(option.choices)}' ;;")
    lines += ["        *)", '            if [ "$COMP_CWORD" -eq 1 ]; then']
    lines.append(f"                words='{' '.join([*(c.name for c in commands), *_names(main.options)])}'")
    lines += ["            else", '                case "${COMP_WORDS[1]}" in']
    for command in commands:
        words = " ".join([*command.words, *_names(command.options)])
        lines.append(f"                    {command.name}) words='{words}' ;;")
    lines += [
        "                esac",
        "            fi ;;",
        "    esac",
        '    COMPREPLY=($(compgen -W "$words" -- "$word"))',
        "}",
        f"complete -F {function} {program}",
    ]
    return "\n".join(lines) + "\n"


def _zsh(program: str, main: Subcommand, commands: tuple[Subcommand, ...]) -> str:
    function = "_" + program
    lines = [
        f"#compdef {program}",
        f"{function}() {{",
        "    local -a commands",
        "    commands=(",
    ]
    lines += [f"        {_zsh_quoted(f'{c.name}:{c.summary}')}" for c in commands]
    lines += [
        "    )",
        "    if (( CURRENT == 2 )); then",
        "        _describe command commands",
        f"        compadd -- {' '.join(_names(main.options))}",
        "        return",
        "    fi",
        "    local before=$words[CURRENT-1]",
        '    case "$words[2] $before" in',
    ]
    for command in commands:
        for option in command.options:
            if option.takes_value:
                patterns = "|".join(f'"{command.name} {name}"' for name in option.names)
                values = " ".join(option.choices)
                lines.append(f"        ({patterns}) {f'compadd -- {values}; ' if values else ''}return ;;")
    lines += ["    esac", '    case "$words[2]" in']
    for command in commands:
        lines.append(
            f"        ({command.name}) compadd -- {' '.join([*command.words, *_names(command.options)])} ;;"
        )
    lines += [
        "    esac",
        "}",
        f'if [ "$funcstack[1]" = "{function}" ]; then',
        f'    {function} "$@"',
        "else",
        f"    compdef {function} {program}",
        "fi",
    ]
    return "\n".join(lines) + "\n"


def _zsh_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish(program: str, main: Subcommand, commands: tuple[Subcommand, ...]) -> str:
    lines = [f"# fish completion for {program}", f"complete -c {program} -f"]
    for option in main.options:
        lines.append(f"complete -c {program} -n __fish_use_subcommand {_fish_option(option)}")
    for command in commands:
        lines.append(
            f"complete -c {program} -n __fish_use_subcommand -a {command.name} -d {_fish_quoted(command.summary)}"
        )
        seen = f"-n '__fish_seen_subcommand_from {command.name}'"
        if command.words:
            lines.append(f"complete -c {program} {seen} -a '{' '.join(command.words)}'")
        lines += [f"complete -c {program} {seen} {_fish_option(option)}" for option in command.options]
    return "\n".join(lines) + "\n"


def _fish_option(option: Option) -> str:
    parts = [f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in option.names]
    if option.takes_value:
        parts.append("-x")
    if option.choices:
        parts.append(f"-a '{' '.join(option.choices)}'")
    return " ".join([*parts, "-d", _fish_quoted(option.summary)])


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
