"""A board's design: the serial link, what stores or feeds samples, the loader of memories, and the pins."""
