"""The parts of `benchmarks/crowd.py`: what is asked, how answers are compared, who asks at the page, and what lasts."""
