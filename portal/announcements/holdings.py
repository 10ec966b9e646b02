"""What announcements hold about people: nothing. Who wrote one is on the audit trail."""

from __future__ import annotations

from portal.people.privacy import impersonal

impersonal("announcements.Announcement", "announcements.Remark")
