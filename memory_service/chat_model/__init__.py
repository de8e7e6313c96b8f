"""An optional language model behind an OpenAI-compatible endpoint, asked in the background only."""
