"""What training and serving cost, in FLOP per active parameter and token."""

from __future__ import annotations

TRAINING_FLOPS = 6.0
"""FLOP per active parameter and token trained on."""
SERVING_FLOPS = 2.0
"""FLOP per active parameter and token served."""
