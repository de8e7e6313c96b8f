"""Read text without a model: terms, keywords, names, language. Pure functions of their arguments."""
