"""Sites, and changes of them."""
