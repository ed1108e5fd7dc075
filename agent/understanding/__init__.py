"""What a child's words say: the parts that agent.judging puts together."""
