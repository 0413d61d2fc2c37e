"""What is advised on before anything is live."""
