"""Fine-tuning, calibration and cross-validation."""
