"""Many samples as one cube of values: its plan, its units of work, and what computes and checks them."""
