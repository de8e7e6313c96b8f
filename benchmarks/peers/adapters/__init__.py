"""One program per peer, run by the Python of that peer's environment; only public interfaces of the peer are used."""
