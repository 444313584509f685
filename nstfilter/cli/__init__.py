"""The command line: parsing and printing, and the only place that prints."""
