"""The nine tools of the reference memory server, answered from our memories in the shapes its clients expect."""
