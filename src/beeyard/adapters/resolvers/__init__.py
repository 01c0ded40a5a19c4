"""Engines that choose versions, one a file, and what they share to say why nothing fits."""
