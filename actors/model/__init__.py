"""What an actor is made of, and what a program asks of it."""
