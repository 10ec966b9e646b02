"""The writers of access: each locks, asks the table, changes, and leaves an audit entry and its messages."""

from portal.access.actions.absence import end_substitute, name_substitute
from portal.access.actions.appealing import appeal, uphold
from portal.access.actions.applying import apply_again, lapse, save_draft, submit, withdraw
from portal.access.actions.attaching import attach, detach, record_reading
from portal.access.actions.attesting import announce_attestation, attest_roster, record_roster_export
from portal.access.actions.calling import call_to_sign, record_outstanding_export
from portal.access.actions.closing import announce_expiry, close_out, remind_of_deletion
from portal.access.actions.covering import (
    approve_institutional,
    ask_institutional,
    decline_institutional,
    end_institutional,
    offer_institutional,
    resume_institutional,
    revoke_institutional,
    sign_institutional,
    suspend_institutional,
    withdraw_institutional,
)
from portal.access.actions.desk import add_note, assign, forget_filter, record_export, record_grants_export, save_filter
from portal.access.actions.gates import change_gate, close_gate, create_gate, open_gate
from portal.access.actions.granting import resume_grant, revoke_grant, sign, sign_again, suspend_grant
from portal.access.actions.handing import (
    accept_handover,
    decline_handover,
    lapse_handover,
    offer_handover,
    withdraw_handover,
)
from portal.access.actions.passing import make_spot_check
from portal.access.actions.refereeing import (
    answer_referee,
    ask_referee,
    expire_referee,
    remind_by_schedule,
    remind_referee,
    replace_referee,
)
from portal.access.actions.renewing import approve_renewal, decline_renewal, renew, withdraw_renewal
from portal.access.actions.reviewing import cast_vote, decline, request_changes, start_review
from portal.access.actions.rules import make_rules
from portal.access.actions.seating import (
    accept_seat,
    admit,
    ask_to_join,
    decline_seat,
    invite_again,
    invite_to_roster,
    refuse_seat,
    remove_from_roster,
    seat_invitation,
)
from portal.access.actions.succeeding import name_official
from portal.access.actions.teaming import (
    accept_invitation,
    decline_invitation,
    invite,
    lapse_invitation,
    remind_member,
    remove_member,
)
from portal.access.actions.wording import try_letter, word_reason

__all__ = [
    "accept_handover",
    "accept_invitation",
    "accept_seat",
    "add_note",
    "admit",
    "announce_attestation",
    "announce_expiry",
    "answer_referee",
    "appeal",
    "apply_again",
    "approve_institutional",
    "approve_renewal",
    "ask_institutional",
    "ask_referee",
    "ask_to_join",
    "assign",
    "attach",
    "attest_roster",
    "call_to_sign",
    "cast_vote",
    "change_gate",
    "close_gate",
    "close_out",
    "create_gate",
    "decline",
    "decline_handover",
    "decline_institutional",
    "decline_invitation",
    "decline_renewal",
    "decline_seat",
    "detach",
    "end_institutional",
    "end_substitute",
    "expire_referee",
    "forget_filter",
    "invite",
    "invite_again",
    "invite_to_roster",
    "lapse",
    "lapse_handover",
    "lapse_invitation",
    "make_rules",
    "make_spot_check",
    "name_official",
    "name_substitute",
    "offer_handover",
    "offer_institutional",
    "open_gate",
    "record_export",
    "record_grants_export",
    "record_outstanding_export",
    "record_reading",
    "record_roster_export",
    "refuse_seat",
    "remind_by_schedule",
    "remind_member",
    "remind_of_deletion",
    "remind_referee",
    "remove_from_roster",
    "remove_member",
    "renew",
    "replace_referee",
    "request_changes",
    "resume_grant",
    "resume_institutional",
    "revoke_grant",
    "revoke_institutional",
    "save_draft",
    "save_filter",
    "seat_invitation",
    "sign",
    "sign_again",
    "sign_institutional",
    "start_review",
    "submit",
    "suspend_grant",
    "suspend_institutional",
    "try_letter",
    "uphold",
    "withdraw",
    "withdraw_handover",
    "withdraw_institutional",
    "withdraw_renewal",
    "word_reason",
]
