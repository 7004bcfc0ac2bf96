"""What processes that are `Forked` begin with."""
from deepdream_nb.workshop.weights import tensorflow

tensorflow()
