"""The machine: its processors, what else they do, and what libraries read from the environment."""
