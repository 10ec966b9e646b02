"""The writers of releases. Each is one transaction: lock, check, change, audit, announce."""

from releases.actions.capping import cap_gate, cap_grant
from releases.actions.catalogue import (
    DESCRIBED,
    delete_model,
    describe_model,
    gives_away,
    open_family,
    open_model,
    rename_model,
    shown_terms,
)
from releases.actions.checking import carry_out_check, check, request_check
from releases.actions.collecting import Collected, collect_garbage
from releases.actions.committing import Change, NewFile, Stale, amend, begin, commit, files_of, head_of
from releases.actions.deleting import delete_files
from releases.actions.errata import ERRATUM_RAISED, add_erratum, tell_of_erratum
from releases.actions.freezing import freeze_logbook, freeze_with
from releases.actions.hardware import remove_hardware, save_hardware
from releases.actions.opening import (
    approve_opening,
    cancel_opening,
    hold_opening,
    open_due,
    plan_opening,
    resume_opening,
    take_back_approval,
)
from releases.actions.proving import add_key, add_signature, retire_key
from releases.actions.refs import delete_ref, make_branch, make_tag, squash
from releases.actions.revisions import publish, withdraw
from releases.actions.scrubbing import Finding, examine, repair, scrub, settle, to_scrub
from releases.actions.stopping import lift_stop, stop_release, tell_holders
from releases.actions.surging import tell_surges
from releases.actions.uploading import begin_upload, finish_upload, held_file, purge_uploads

__all__ = [
    "DESCRIBED",
    "ERRATUM_RAISED",
    "Change",
    "Collected",
    "Finding",
    "NewFile",
    "Stale",
    "add_erratum",
    "add_key",
    "add_signature",
    "amend",
    "approve_opening",
    "begin",
    "begin_upload",
    "cancel_opening",
    "cap_gate",
    "cap_grant",
    "carry_out_check",
    "check",
    "collect_garbage",
    "commit",
    "delete_files",
    "delete_model",
    "delete_ref",
    "describe_model",
    "examine",
    "files_of",
    "finish_upload",
    "freeze_logbook",
    "freeze_with",
    "gives_away",
    "head_of",
    "held_file",
    "hold_opening",
    "lift_stop",
    "make_branch",
    "make_tag",
    "open_due",
    "open_family",
    "open_model",
    "plan_opening",
    "publish",
    "purge_uploads",
    "remove_hardware",
    "rename_model",
    "repair",
    "request_check",
    "resume_opening",
    "retire_key",
    "save_hardware",
    "scrub",
    "settle",
    "shown_terms",
    "squash",
    "stop_release",
    "take_back_approval",
    "tell_holders",
    "tell_of_erratum",
    "tell_surges",
    "to_scrub",
    "withdraw",
]  # fmt: skip
