"""What must never be stored: rules of a namespace, what finds values in texts, and what is put in their place. Pure."""
