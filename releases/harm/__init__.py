"""Reports of harm or misuse: sent by anybody, looked at by the lab, answered in public as far as the reporter allows."""
