"""What commands, API and console share: the questions and changes of an operator."""
