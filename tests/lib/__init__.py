"""What the scenario tests and the benches share: real servers, the product as a user runs it."""
