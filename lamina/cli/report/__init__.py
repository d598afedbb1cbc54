"""`lamina build --report`: one page about a build, complete in itself."""
