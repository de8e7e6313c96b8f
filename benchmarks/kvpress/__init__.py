"""The presses of kvpress (NVIDIA), asked as our policies are."""
