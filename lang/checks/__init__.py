"""What each check of a recipe looks for; `lang.checks.rules` is their table."""
