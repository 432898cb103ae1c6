"""The code that the demo's agent runs: a cup of tea cools, and a curve is fitted to it."""

from __future__ import annotations

TITLE = "# A cup of tea\nMeasure, plot, fit, and look at the fit."

DATA = """\
import math, random
random.seed(7)
minutes = [n / 2 for n in range(121)]
celsius = [21 + 68 * math.exp(-m / 19) + random.gauss(0, 1.2) for m in minutes]
print(f"{len(minutes)} measurements from {celsius[0]:.1f} down to {celsius[-1]:.1f} °C")"""

PLOT = """\
import matplotlib.pyplot as plt
plt.figure(figsize=(8, 4))
plt.plot(minutes, celsius, ".", label="measured")
plt.title("A cup of tea")
plt.xlabel("time (min)"); plt.ylabel("temperature (°C)")
plt.grid(alpha=0.3); plt.legend()
plt.show()"""

PLOT_ALONE = """\
from chart import chart   # a file of this demo; matplotlib is not installed
chart({"measured": (minutes, celsius, ".")},
      title="A cup of tea", x="time (min)", y="temperature (°C)")"""

FIT = """\
import time
pairs = list(zip(minutes, celsius))
room, heat, rate = 10.0, 50.0, 0.10   # a guess, improved step by step
for epoch in range(1, 41):
    for m, c in random.choices(pairs, k=800):
        fall = math.exp(-rate * m)
        miss = room + heat * fall - c
        room -= 0.002 * miss
        heat -= 0.002 * miss * fall
        rate += 6e-8 * miss * heat * fall * m
    loss = sum((room + heat * math.exp(-rate * m) - c) ** 2 for m, c in pairs) / 121
    print(f"epoch {epoch}/40  loss={loss:.3f}  room={room:.2f}", flush=True)
    time.sleep(0.22)"""

LOOK = """\
fitted = [room + heta * math.exp(-rate * m) for m in minutes]
plt.figure(figsize=(8, 4))
plt.plot(minutes, celsius, ".", label="measured")
plt.plot(minutes, fitted, lw=2.5, label="fitted")
plt.title(f"It cools towards {room:.1f} °C")
plt.xlabel("time (min)"); plt.ylabel("temperature (°C)")
plt.grid(alpha=0.3); plt.legend()
plt.show()"""

LOOK_ALONE = """\
fitted = [room + heta * math.exp(-rate * m) for m in minutes]
chart({"measured": (minutes, celsius, "."), "fitted": (minutes, fitted, "-")},
      title=f"It cools towards {room:.1f} °C", x="time (min)", y="temperature (°C)")"""

MISTAKE = "name 'heta' is not defined"


def mended(code: str) -> str:
    """Return the code without its mistake."""
    return code.replace("heta", "heat")


BESIDE = """\
total = 0
for step in range(1, 31):
    total += sum(i * i for i in range(60_000))
    print(f"step {step}/30: {total:,}", flush=True)
    time.sleep(0.15)""".replace("total = 0", "import time\ntotal = 0")

CODE_CELLS, CELLS = 4, 5
"""of the notebook when the story is over"""
EPOCHS = 40
ANSWER = """\
print(f"after 90 minutes: {room + heat * math.exp(-rate * 90):.1f} °C")"""
