"""The conversation: words in, words out. Start with :mod:`agent.run`."""
