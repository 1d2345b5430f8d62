"""Translation: GNMT (recurrent) and Transformer (attention alone), on WMT or on number words."""
