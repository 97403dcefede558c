"""What a run writes: bigWigs in genome order and their provenance."""
