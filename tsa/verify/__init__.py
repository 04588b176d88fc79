"""What a token says and proves. Nothing here is shared with the code that writes tokens, so each checks the other."""
