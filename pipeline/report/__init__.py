"""What is made for people: inspect, explain, the HTML report, the dataset card."""
