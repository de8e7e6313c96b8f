"""Memory in weights, without a model of language: what a cue is to bring, learned from pairs."""
