"""How good a model is: per frame and per interval, with confidence intervals."""
