"""scikit-learn and scipy are imported late in the package; here first of all, so that no test has to wait for them."""

import scipy.optimize
import sklearn.metrics

__all__ = ["scipy", "sklearn"]
