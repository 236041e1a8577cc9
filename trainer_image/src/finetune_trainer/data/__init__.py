"""From files to tokens: rows with labels by name, then token ids, tokenised once."""
