"""Back-tests: what the law would have forecast, beside what was scored and what others forecast."""
