"""The command line: argv to calls, events to lines."""
