"""Results drawn: safe HTML and figures. They compute nothing and keep nothing."""
