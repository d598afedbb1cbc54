"""What an editor asks about a recipe that is being written: pure functions over a
text and a place in it. Half-typed text is the normal case, and never an error."""
