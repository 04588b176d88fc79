"""Is the licensed capacity there? A load test with Locust, its records, the verdict on them and the report."""
