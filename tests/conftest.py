"""What every test shares: properties are judged by their answers, not by the time they take on a busy machine."""

from hypothesis import settings

settings.register_profile("mlassay", deadline=None)
settings.load_profile("mlassay")
