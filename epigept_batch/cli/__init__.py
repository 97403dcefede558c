"""The command line: options, progress, exit codes; one file per command."""
