"""The verify API: from a picture to a verdict."""
