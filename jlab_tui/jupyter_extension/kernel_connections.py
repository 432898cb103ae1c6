"""Counts the connections to kernels, in which Jupyter's culling and we take part."""

from __future__ import annotations

from typing import Any, Set


class KernelConnections:
    """The connections to the kernels of one server."""

    def __init__(self, kernels: Any) -> None:
        self._kernels = kernels
        self._counted: Set[str] = set()
        """Kernels whose owner Jupyter counts as a connection."""

    def count_owners(self, held: Set[str]) -> None:
        """Have Jupyter count the owner of each kernel as a connection: it culls kernels that have none."""
        count = getattr(self._kernels, "notify_connect", None)
        discount = getattr(self._kernels, "notify_disconnect", None)
        if count is None or discount is None:
            return
        held = {kernel_id for kernel_id in held if kernel_id in self._kernels}
        for kernel_id in held - self._counted:
            count(kernel_id)
        for kernel_id in self._counted - held:
            discount(kernel_id)
        self._counted = held

    def is_used(self, kernel_id: str) -> bool:
        """Whether somebody else than the owner is connected to a kernel, such as JupyterLab."""
        counts = getattr(self._kernels, "_kernel_connections", {})
        return bool(counts.get(kernel_id, 0) > (kernel_id in self._counted))
