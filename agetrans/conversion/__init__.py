"""Other people's checkpoints to our weights, and back."""
