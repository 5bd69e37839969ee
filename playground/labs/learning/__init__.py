"""Learning by guessing: texts in two languages, and questions whose answers the model in use gives itself."""
