"""Episodes, topics, communities, profiles and the gists of them."""
