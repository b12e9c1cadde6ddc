"""Labelled clips and folders of frames, in the form that training takes."""
