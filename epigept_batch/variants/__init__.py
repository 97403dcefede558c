"""Variants: reading them, editing sequence with them, and aligning what is predicted for the edited sequence."""
