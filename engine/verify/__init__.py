"""What a net can do: its state space and what follows from it."""
