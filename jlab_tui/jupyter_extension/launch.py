"""Starts the user's Jupyter server with our extension in it: `python launch.py CONFIG.json`.

Runs under the user's Python, from a folder of any name. All settings stay in this process: no argument or environment
variable that kernels would inherit, no configuration file that would shadow the user's own.
Exit codes: 88 kernels would run in another Python than the project's, 96 this machine has no such address, 97 Jupyter is not installed for this Python, 98 the port is taken, else Jupyter's.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import secrets
import socket
import sys
from types import ModuleType
from typing import Any, Dict, List, Optional

PACKAGE = "jlab_mcp_extension"
EXIT_OTHER_PYTHON = 88
EXIT_NO_ADDRESS = 96
EXIT_NO_JUPYTER = 97
EXIT_PORT_TAKEN = 98
PORT_TRIES = 200
RESTARTS = 5
PASSED_OVER = "jlab_mcp_passed_over"
"""Variable of the job script: why it did not take the first Python. Kernels do not inherit it."""


def load_package(folder: str) -> ModuleType:
    """Load this folder, of any name, as the package `jlab_mcp_extension`, without changing `sys.path`."""
    # Python put the script's folder first; its modules must not shadow others.
    sys.path[:] = [
        entry for entry in sys.path if os.path.realpath(entry or os.getcwd()) != folder or entry == ""
    ]
    init = os.path.join(folder, "__init__.py")
    spec = importlib.util.spec_from_file_location(PACKAGE, init, submodule_search_locations=[folder])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    spec.loader.exec_module(module)
    return module


def read_config(path: str, restart: int) -> Dict[str, Any]:
    """Return the launch configuration with the token. `restart`: how often Slurm has started this job again."""
    with open(path, encoding="utf-8", opener=no_link) as file:
        config: Dict[str, Any] = json.load(file)
    if restart and config.get("restarts"):
        renew_secrets(config, restart)
    with open(config["token_file"], encoding="utf-8", opener=no_link) as file:
        config["token"] = file.read().strip()
    return config


def renew_secrets(config: Dict[str, Any], restart: int) -> None:
    """Write a new token for this run, and take the certificate made for it. Runs after the last certificate share that one: the
    standard library makes none, and its key never leaves our files."""
    certificates = config["restarts"]
    config["certfile"] = certificates[min(restart, len(certificates)) - 1]
    stem, ending = os.path.splitext(config["token_file"])
    config["token_file"] = "%s.r%d%s" % (stem, restart, ending)
    descriptor = no_link(config["token_file"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secrets.token_hex(24) + "\n")


def no_link(path: str, flags: int) -> int:
    """Open for `open`, but never through a symbolic link, which somebody else may have put there."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def port_is_free(ip: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ip, port))
        except OSError:
            return False
    return True


def choose_port(ip: str, low: int, high: int) -> Optional[int]:
    """Return a random free port, so that two jobs on one node rarely choose the same."""
    for _ in range(PORT_TRIES):
        port = random.randint(low, high)
        if port_is_free(ip, port):
            return port
    return None


def address_for(wanted: str) -> Optional[str]:
    """Return the address to listen at; None, reported, if this machine has none of the kind."""
    from jlab_mcp_extension import bind_address  # type: ignore[import-not-found]

    found = bind_address.interface_addresses()
    ip: Optional[str] = bind_address.resolve(wanted, found)
    if ip is not None and bind_address.is_here(ip):
        return ip
    has = ", ".join("%s %s" % one for one in found)
    report(
        "error: %s has no address for %s; it has: %s" % (socket.gethostname(), wanted, has),
        "Name an interface, a network or an address that it has.",
    )
    return None


def report(what: str, hint: str) -> None:
    sys.stderr.write("%s\n%s\n" % (what, hint))


def main(argv: List[str]) -> int:
    """Run the server until it ends; returns the exit code."""
    if len(argv) < 2:
        report("No configuration was given.", "Usage: python launch.py CONFIG.json")
        return 2
    load_package(os.path.dirname(os.path.realpath(__file__)))
    config = read_config(argv[1], int(os.environ.get("SLURM_RESTART_COUNT") or 0))
    passed = os.environ.pop(PASSED_OVER, "")
    ip = "127.0.0.1" if config.get("link") else address_for(config.get("ip") or "127.0.0.1")
    if ip is None:
        return EXIT_NO_ADDRESS
    fixed = config.get("port")
    port: Optional[int] = 0  # none
    if not config.get("link"):
        port = fixed or choose_port(ip, int(config["port_min"]), int(config["port_max"]))
    if port is None or (fixed and not port_is_free(ip, fixed)):
        where = "port %s" % fixed if fixed else "every port tried in %(port_min)s-%(port_max)s" % config
        report("On %s, %s is taken." % (ip, where), "Choose another port or range.")
        return EXIT_PORT_TAKEN
    try:
        from jlab_mcp_extension import lazy_import

        # Compiling its grammar takes over half the time of Jupyter's imports, and only checks of an IRI need it.
        lazy_import.put_off("rfc3987_syntax", "is_valid_syntax")
        from jlab_mcp_extension import project_python, serverapp
    except ImportError as error:
        report(
            "%s cannot import Jupyter (%s)." % (sys.executable, error),
            "Install it there: %s -m pip install jupyterlab ipykernel" % sys.executable,
        )
        return EXIT_NO_JUPYTER
    told = project_python.decide(config, passed)
    if told != str(config.get("environment") or "") and not config.get("python_fallback"):
        why = told.partition("; kernels run in ")[0]
        report(
            "jlab-mcp: error: %s" % why,
            "JLAB_MCP_PYTHON_FALLBACK=1 runs kernels in %s instead." % sys.executable,
        )
        return EXIT_OTHER_PYTHON
    config["environment"] = told
    ended: int = serverapp.run(config, ip, port)
    if ended == EXIT_PORT_TAKEN and not fixed:
        # Another process took the port after we checked it. A process that has started a server cannot start a second one.
        attempt = int(argv[2]) if len(argv) > 2 else 0
        if attempt < RESTARTS:
            os.environ[PASSED_OVER] = passed
            os.execv(sys.executable, [sys.executable, os.path.realpath(__file__), argv[1], str(attempt + 1)])
    return ended


if __name__ == "__main__":
    sys.exit(main(sys.argv))
