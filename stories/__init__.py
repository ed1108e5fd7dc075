"""Stories as data; ``python -m stories.check`` tells an author what is wrong with one."""
