"""What the words of a whole utterance suggest, learned from examples: the second opinion beside the written rules."""
