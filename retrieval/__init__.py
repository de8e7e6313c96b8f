"""Find memories: channels that propose candidates, fusion that ranks them, context that packs them."""
