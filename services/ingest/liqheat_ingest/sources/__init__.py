"""Where raw messages come from: files, the simulator, later the live venues."""
