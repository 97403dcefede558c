"""The machine: its processors, other load on them, and environment variables that libraries read."""
