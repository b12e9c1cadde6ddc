"""`seqcls review`: looking at clips, correcting what a model found and labelling from nothing, in a browser."""
