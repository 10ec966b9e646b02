"""An invented crowd: people, applications, grants and audit entries by the ten thousand, to measure a full portal."""
