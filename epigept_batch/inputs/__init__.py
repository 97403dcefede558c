"""What a run reads: genome, motifs, expression."""
