"""Chat completions with memory: what an OpenAI client sends, with what this service remembers put into it."""
