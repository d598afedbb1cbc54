"""The graph of steps, what each result is called, and the loop that gets them all."""
