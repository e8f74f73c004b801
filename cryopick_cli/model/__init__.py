"""The network and what belongs to it: configuration, anchors, losses, weights, device. No micrographs."""
