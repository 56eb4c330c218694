"""The teacher: MobileStyleGAN's published weights in our own layers, and people re-aged in its latent space."""
