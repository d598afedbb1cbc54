"""Go's text/template, as `--format` is used with it: text to tree to text."""
