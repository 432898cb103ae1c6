"""Runs inside an IPython kernel as it starts, as an extra configuration file, and leaves nothing behind.

It keeps the history of what runs in memory, unless the user's configuration places it, and can be asked for its stacks by a signal.

An output socket holds 1,000 messages for a slow reader and drops the rest; this file raises that mark. It must do so
before the socket exists: if a reader's connection ends while the mark of a live socket changes, the process crashes,
because ZeroMQ passes the new mark to the end of a pipe that its own thread has freed. The mark holds for each reader, so
it is only raised where no other account can become one: on Unix sockets and on encrypted ports.
"""

import contextlib
import os
import sys
import threading
from typing import Any


def raise_mark():  # type: ignore[no-untyped-def]  # runs on the kernel's Python, any version
    import zmq
    from ipykernel.kernelapp import IPKernelApp

    send_hwm = 1000000
    app = IPKernelApp.instance() if IPKernelApp.initialized() else None
    if app is None or app.context is not None or "init_iopub" in vars(app):
        return  # older IPythons read configuration files twice
    init_iopub = app.init_iopub

    def init_iopub_with_mark(context):  # type: ignore[no-untyped-def]
        del app.init_iopub
        # Known only now: the kernel reads its connection file after this file.
        if app.transport == "ipc" or getattr(app, "curve_publickey", None):
            context.setsockopt(zmq.SNDHWM, send_hwm)
        try:
            init_iopub(context)
        finally:
            context.sockopts.pop(zmq.SNDHWM, None)

    app.init_iopub = init_iopub_with_mark


def keep_history_in_memory(ours):  # type: ignore[no-untyped-def]
    """By default all code goes to a file that others may read, mixed with the history of the user's own kernels."""
    from ipykernel.kernelapp import IPKernelApp

    users = IPKernelApp.instance().config
    sections = ("HistoryAccessorBase", "HistoryAccessor", "HistoryManager")
    if not any("hist_file" in users[section] or "enabled" in users[section] for section in sections):
        ours.HistoryManager.hist_file = ":memory:"


def find_the_notebooks_modules():  # type: ignore[no-untyped-def]
    """Cells import what lies beside the notebook. Python started without that directory (`kernel_command.with_safe_start`), and
    newer IPythons then leave it out; it comes where IPython puts it."""
    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance()
    is_wish = os.environ.get("PYTHONSAFEPATH") or app.ignore_cwd
    is_wish = is_wish or any(
        app.config[name].get("ignore_cwd") for name in ("InteractiveShellApp", "IPKernelApp")
    )
    if getattr(sys.flags, "safe_path", False) and not is_wish and "" not in sys.path:
        packages = ("site-packages", "dist-packages")
        places = [i for i, path in enumerate(sys.path) if os.path.basename(path) in packages]
        sys.path.insert(places[0] if places else 0, "")


def leave_children_that_end_without_help():  # type: ignore[no-untyped-def]
    """At its end, before what is registered with atexit, ipykernel kills its children and waits for them up to 29 s. It waits in
    vain for those that have ended and that no code has waited for, for the workers of a pool, which starts others in their
    place, and for Python's resource trackers, which ignore the signal; and a pool hangs whose worker is killed while it holds
    the lock of the queue. Python ends all of these as it exits."""
    from ipykernel.kernelbase import Kernel

    children_of = Kernel._process_children
    helpers = ("resource_tracker", "multiprocessing.forkserver", "multiprocessing.spawn")

    def living_children(kernel):  # type: ignore[no-untyped-def]
        found = []
        children = children_of(kernel)
        # Asked afterwards, it knows the workers that are among them; one that a pool has just started shows by its command.
        multiprocessing = sys.modules.get("multiprocessing")
        mine = multiprocessing.active_children() if multiprocessing else ()
        is_daemon = {child.pid: child.daemon for child in mine}
        for child in children:
            with contextlib.suppress(Exception):  # it is gone meanwhile
                command = " ".join(child.cmdline())
                is_pythons = any(module + " import" in command for module in helpers)
                if child.status() != "zombie" and not is_daemon.get(child.pid, is_pythons):
                    found.append(child)
        return found

    Kernel._process_children = living_children


def write_stacks_on_request():  # type: ignore[no-untyped-def]
    """A signal has Python write the stacks of all threads to a file without a name, which only this account can open. This works
    while a C call holds Python's lock. The signal is one that nothing else uses; it comes to the thread of the heartbeat, so that no
    system call of the user's code ends early."""
    import faulthandler
    import fcntl
    import signal
    import tempfile

    from ipykernel.kernelapp import IPKernelApp

    number = getattr(signal, "SIGRTMAX", 0) - 3
    app = IPKernelApp.instance()
    if number < 34 or signal.getsignal(number) is not signal.SIG_DFL or "init_heartbeat" in vars(app):
        return
    init_heartbeat = app.init_heartbeat

    def init_heartbeat_and_register():  # type: ignore[no-untyped-def]
        del app.init_heartbeat
        init_heartbeat()
        with contextlib.suppress(Exception):
            prefix = "jlab-mcp-stacks-%d-%d-" % (number, app.heartbeat.native_id)
            file, path = tempfile.mkstemp(prefix=prefix)
            os.unlink(path)
            fcntl.fcntl(file, fcntl.F_SETFL, os.O_APPEND)  # whoever asks empties it before
            faulthandler.register(number, file=file, all_threads=True)

    app.init_heartbeat = init_heartbeat_and_register


def send_texts_of_figures(beside: str) -> None:
    """The texts of a Matplotlib figure go with its image as transient data, which no document keeps (`kernel_figures`). Matplotlib
    and that module are only looked at when a figure is shown; whatever fails, the image goes without texts.

    `beside`: directory of this file."""
    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance()
    if "init_shell" in vars(app):
        return
    init_shell = app.init_shell

    def with_texts(figure: Any, draw: Any) -> Any:
        import importlib.util

        name = "_jlab_mcp_kernel_figures"
        if name not in sys.modules:
            spec: Any = importlib.util.spec_from_file_location(
                name, os.path.join(beside, "kernel_figures.py")
            )
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            sys.modules[name] = module
        return sys.modules[name].with_texts(figure, draw)

    def wrap(shell: Any) -> None:
        last = threading.local()
        """what was formatted last in a thread, and its texts"""
        formatter, publisher, hook = shell.display_formatter, shell.display_pub, shell.displayhook
        format_data, publish, write = formatter.format, publisher.publish, hook.write_format_data

        def format_figure(thing: Any, *args: Any, **kwargs: Any) -> Any:
            last.shown = None
            figures = sys.modules.get("matplotlib.figure")
            if not isinstance(thing, getattr(figures, "Figure", ())):
                return format_data(thing, *args, **kwargs)
            results: Any = []

            def draw() -> None:
                results.append(format_data(thing, *args, **kwargs))

            with contextlib.suppress(Exception):
                _, texts = with_texts(thing, draw)
                last.shown = (results[0][0], texts) if texts else None
            return results[0] if results else format_data(thing, *args, **kwargs)

        def texts_of(data: Any) -> Any:
            shown, last.shown = getattr(last, "shown", None), None
            return {"jlab_mcp_texts": shown[1]} if shown is not None and shown[0] is data else {}

        def publish_with_texts(*args: Any, **kwargs: Any) -> Any:
            texts = texts_of(args[0] if args else kwargs.get("data"))
            if texts and len(args) < 3:
                kwargs["transient"] = dict(kwargs.get("transient") or {}, **texts)
            return publish(*args, **kwargs)

        def write_with_texts(data: Any, *args: Any, **kwargs: Any) -> Any:
            texts = texts_of(data)
            result = write(data, *args, **kwargs)
            if texts and hook.msg:
                hook.msg["content"]["transient"] = texts
            return result

        formatter.format, publisher.publish, hook.write_format_data = (
            format_figure, publish_with_texts, write_with_texts
        )  # fmt: skip

    def init_shell_and_wrap() -> None:
        del app.init_shell
        init_shell()
        with contextlib.suppress(Exception):
            wrap(app.shell)

    app.init_shell = init_shell_and_wrap


# A kernel with other internals starts as usual.
with contextlib.suppress(Exception):
    find_the_notebooks_modules()  # type: ignore[no-untyped-call]
with contextlib.suppress(Exception):
    raise_mark()  # type: ignore[no-untyped-call]
with contextlib.suppress(Exception):
    keep_history_in_memory(get_config())  # type: ignore[name-defined,no-untyped-call]  # noqa: F821
with contextlib.suppress(Exception):
    leave_children_that_end_without_help()  # type: ignore[no-untyped-call]
with contextlib.suppress(Exception):
    write_stacks_on_request()  # type: ignore[no-untyped-call]
with contextlib.suppress(Exception):
    send_texts_of_figures(os.path.dirname(os.path.abspath(__file__)))
