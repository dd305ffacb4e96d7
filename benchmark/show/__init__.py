"""Words and pictures of what was found: terminal, Markdown, spreadsheets, LaTeX, pages."""
