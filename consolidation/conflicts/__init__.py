"""Whether a new memory repeats, changes or adds to what is known; what texts state, as facts."""
