"""Records figures as a kernel sends them: the images of the tests and of the README, with their texts.

    python scripts/record_figures.py

Writes tests/tui/images/*.png and texts.json. Needs Matplotlib.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
matplotlib.use("agg")

import matplotlib.pyplot as plt  # noqa: E402
from IPython.core.pylabtools import print_figure  # noqa: E402

from jlab_tui.jupyter_extension.kernel_figures import with_texts  # noqa: E402

FOLDER = ROOT / "tests" / "tui" / "images"


def loss() -> Any:
    """Two curves with a legend."""
    chance = np.random.default_rng(4)
    epochs = np.arange(100)
    fig, ax = plt.subplots()
    ax.plot(
        2.1 * np.exp(-epochs / 22) + 0.05 + chance.normal(0, 0.045, 100).cumsum() / 8 + 0.04, label="train"
    )
    ax.plot(2.0 * np.exp(-epochs / 27) + 0.22, label="validation", lw=2.5)
    ax.set(title="Loss of unet, width 64", xlabel="epoch", ylabel=r"$\mathcal{L}$ (Dice + BCE)")
    ax.legend()
    return fig


def errors() -> Any:
    """A heat map and points."""
    chance = np.random.default_rng(5)
    x, y = np.mgrid[0:40, 0:60]
    z = np.sin(y / 9) * np.cos((x - 2 * y / 3) / 11) + chance.normal(0, 0.2, x.shape)
    a = chance.normal(size=240)
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
    left.imshow(z, cmap="viridis")
    left.set(title="Error by pixel", xlabel="column", ylabel="row")
    right.scatter(a, 0.7 * a + chance.normal(0, 0.45, 240), c=a, cmap="plasma", s=18)
    right.set(title="Bias against size", xlabel=r"$\log_{10}$ size", ylabel="bias")
    return fig


def main() -> None:
    found = {}
    for make in (loss, errors):
        fig = make()
        image, texts = with_texts(fig, lambda fig=fig: print_figure(fig))
        (FOLDER / f"{make.__name__}.png").write_bytes(image)
        found[make.__name__] = texts
    lines = (f'"{name}": [\n' + ",\n".join(map(json.dumps, texts)) + "\n]" for name, texts in found.items())
    (FOLDER / "texts.json").write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
