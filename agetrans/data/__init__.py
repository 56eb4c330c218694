"""Training data: the synthetic teacher, families of one person at many ages, framed photographs."""
