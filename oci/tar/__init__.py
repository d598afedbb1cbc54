"""The tar format: members read in every dialect, headers written in one."""
