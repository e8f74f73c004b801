"""From one micrograph or many to picks: scale, network, size consistency, duplicates, threshold."""
