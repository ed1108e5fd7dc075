"""Extravert or introvert: how a sentence is said, never what it says."""
