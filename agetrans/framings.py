"""What faces are framed for and found by: known to command lines before anything heavy is loaded."""

FRAMINGS = ("agetransgan", "ffhq")
LANDMARKS = (5, 68)
"""How many points of a face a finder gives."""
