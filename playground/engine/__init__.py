"""What can be done to one model: write, score, watch, change. It does not know where models come from."""

# Of two threads that import transformers at once, the second is handed a module that was replaced meanwhile, and which
# holds nothing. Whoever imports a part of this package waits here until that is over.
import transformers  # noqa: F401
