"""What layers know, what single neurons do, and what changes when they are changed."""
