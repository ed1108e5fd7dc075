"""The conversation: words in, words out. Start with :mod:`agent.run`."""

__version__ = "0.1.0"
