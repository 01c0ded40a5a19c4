"""Everything Beeyard can be asked to do. A new operation is one file here and one line in the table."""

from typing import Any

from beeyard.application.operation import Operation
from beeyard.application.operations import (
    add,
    apply,
    audit_export,
    audit_log,
    audit_verify,
    down,
    endpoint_get,
    endpoint_list,
    events,
    info,
    job_cancel,
    job_events,
    job_get,
    job_list,
    logs,
    orphan_list,
    orphan_remove,
    package_gc,
    package_history,
    package_hold,
    package_install,
    package_list,
    package_lock,
    package_repair,
    package_rollback,
    package_search,
    package_show,
    package_unhold,
    package_uninstall,
    package_update,
    package_verify,
    package_why,
    probe,
    ps,
    register,
    remove,
    report,
    restart,
    rollout_abort,
    rollout_pause,
    rollout_resume,
    rollout_status,
    show,
    start,
    stop,
    swap,
    token_create,
    token_link,
    token_list,
    token_revoke,
    why,
)

OPERATIONS: dict[str, Operation] = {
    module.OPERATION.name: module.OPERATION
    for module in (
        *(ps, info, show, why, logs, events, start, stop, restart, swap, probe, add, remove, apply, down),
        *(package_list, package_show, package_search, package_install, package_uninstall),
        *(package_update, package_rollback, package_hold, package_unhold),
        *(package_lock, package_verify, package_repair, package_gc, package_history, package_why),
        *(rollout_status, rollout_pause, rollout_resume, rollout_abort),
        *(endpoint_list, endpoint_get),
        *(orphan_list, orphan_remove),
        *(job_list, job_get, job_events, job_cancel),
        *(token_create, token_list, token_link, token_revoke),
        *(register, report),
        *(audit_log, audit_verify, audit_export),
    )
}
"""Name -> operation."""

BY_REQUEST: dict[type[Any], Operation] = {operation.request: operation for operation in OPERATIONS.values()}
"""Type of request -> operation."""
