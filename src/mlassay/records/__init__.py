"""Every file format, reader and writer in one module each."""
