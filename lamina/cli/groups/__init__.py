"""Docker's management commands: what is only in a group, beside other spellings."""
