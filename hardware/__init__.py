"""The body: a robot in this process, the SDK's simulators, or the real Reachy Mini, all moved by one thread.

``connect.connect("simulator", clock)`` is the way in. ``gestures.toml`` holds the gestures, ``audio`` the ways to be heard,
``drawing`` the robot as seven lines of text.
"""
