"""How many seeds a question needs: until a mean's interval is narrow, until a comparison is decided."""
