"""Writes the bash lines that run JLAB_MCP_SETUP and end the start, with code 89, at a line that fails or says `exit`."""

from __future__ import annotations

import shlex

SETUP_FAILED = "a line of JLAB_MCP_SETUP failed"

_BEFORE = """\
jlab_mcp_depth=${#BASH_SOURCE[@]} jlab_mcp_lines=
jlab_mcp_judge() { # ends the start, unless a test such as `[ -f x ]` in `[ -f x ] && y` was only false
  if [[ $jlab_mcp_failed == 'eval "$jlab_mcp_lines"' ]]; then
    case $jlab_mcp_ran in
      '['* | 'test '* | '(('* | 'command -v '* | 'type '* | 'which '* | 'hash '* | *grep\\ * | 'module is-'*)
        set +e # which a line may have set
        return
        ;;
    esac
    jlab_mcp_failed=${jlab_mcp_ran:-${jlab_mcp_lines%%$'\\n'*}}
  fi
  jlab_mcp_end "it returned $jlab_mcp_code"
}
jlab_mcp_end() { # why
  trap - EXIT
  echo "jlab-mcp: error: %s: $jlab_mcp_failed ($1)" >&2
  exit 89
}
trap 'jlab_mcp_code=$? jlab_mcp_failed=${jlab_mcp_ran:-${jlab_mcp_lines%%$'\\n'*}}; jlab_mcp_end "the shell ended in it with code $jlab_mcp_code"' EXIT
trap 'jlab_mcp_code=$? jlab_mcp_failed=$BASH_COMMAND; [ ${#BASH_SOURCE[@]} -gt "$jlab_mcp_depth" ] || jlab_mcp_judge' ERR
trap '[[ $BASH_COMMAND == *jlab_mcp_* ]] || jlab_mcp_ran=$BASH_COMMAND' DEBUG"""
_AFTER = """\
  jlab_mcp_lines+=$jlab_mcp_line$'\\n'
  [[ $jlab_mcp_line != *\\\\ && -z $(BASH_ENV= LC_ALL=C "$BASH" -nc "$jlab_mcp_lines" 2>&1) ]] || continue # a command goes on in the next line
  jlab_mcp_ran=
  eval "$jlab_mcp_lines"
  jlab_mcp_lines=
done
jlab_mcp_ran=
[ -z "$jlab_mcp_lines" ] || eval "$jlab_mcp_lines"
trap - ERR DEBUG EXIT
set +eu"""


def setup_script(setup: str) -> str:
    """Return lines for bash. A command inside a file that a line sources may fail.

    The ERR trap alone does not fire for `a && b` whose `a` fails; the status of the line, which `eval` returns, tells."""
    lines = " \\\n".join(f"  {shlex.quote(line)}" for line in setup.rstrip().split("\n"))
    return f"{_BEFORE % SETUP_FAILED}\nfor jlab_mcp_line in \\\n{lines}\ndo\n{_AFTER}"
