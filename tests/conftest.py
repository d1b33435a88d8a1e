"""Settings every test shares: hypothesis without deadlines (two shared cores), with a fixed seed so that a failure repeats."""

from hypothesis import HealthCheck, settings

settings.register_profile("greenlight", deadline=None, derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("greenlight")
