"""What is run to find out how good the models are."""
