"""The genome: FASTA, its index, regions and assemblies."""
