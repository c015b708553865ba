"""What is added to the processes of Flower, where Python loads it as they start."""
