"""Chooses the body: ``simulator``, ``mockup``, ``mujoco`` or ``reachy[:HOST[:PORT]]``."""

from __future__ import annotations

import difflib

from agent.ports import Clock, Robot

KINDS = ("simulator", "mockup", "mujoco", "reachy")
INSTALL = "This robot needs the Reachy Mini SDK: make install EXTRAS=robot (Linux: first the packages named in docs/robot.md)."
PORT = 8000  # where the daemon of a real robot listens


class Missing(Exception):
    """Something is not installed, or does not answer. ``str()`` says what to do about it."""


def connect(kind: str, clock: Clock) -> Robot:
    """The robot of that kind, awake. Raises ValueError for a kind there is not, Missing for what has to be installed."""
    name, _, address = kind.partition(":")
    if name not in KINDS or (address and name != "reachy"):
        near = difflib.get_close_matches(name, KINDS, n=1) if name not in KINDS else []
        hint = f"did you mean “{near[0]}”?" if near else f"there are: {', '.join(KINDS)}"
        raise ValueError(f"there is no robot “{kind}”; {hint}")
    from hardware.motion import Motion

    if name == "simulator":
        from hardware.simulator import Simulator

        return Motion(Simulator(), clock)

    from hardware.reachy import real_body, simulated_body

    return Motion(simulated_body(name) if name != "reachy" else real_body(address), clock)
