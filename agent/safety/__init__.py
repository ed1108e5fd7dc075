"""What is never said to a child, and what a child may tell that needs a grown-up."""
