"""The documentation's site: reference pages made of the code, and the hook of MkDocs that adds them."""
