"""Plans of prompts for engines with a key–value cache: in which order memories stand, and which blocks are worth saving."""
