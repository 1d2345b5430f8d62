"""Speech recognition with RNN-T: LibriSpeech, or spoken digits in the small profile."""
