"""How weights are made: random crops, augmentation, the loop, checkpoints, validation."""
