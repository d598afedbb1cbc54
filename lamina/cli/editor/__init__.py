"""The language server: lang/assist, spoken in the Language Server Protocol."""
