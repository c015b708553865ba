"""Where an app comes from, and how it gets here: folders, archives, the web, git."""
