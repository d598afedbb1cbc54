"""What each check of a recipe looks for; `lang.rules` is their table."""
