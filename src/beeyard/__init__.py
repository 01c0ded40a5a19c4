"""Beeyard keeps workers running and says why they died.

    async with beeyard.Master.open("state") as master:
        await master.add_worker(spec)

    for worker in beeyard.Client().ask(beeyard.Ps()):
        print(worker.id, worker.state)

Names load when they are first used, so that importing a part of Beeyard costs no more than that part.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beeyard.adapters.providers import register_provider as register_provider
    from beeyard.application.operations.add import Add as Add
    from beeyard.application.operations.apply import Applied as Applied
    from beeyard.application.operations.apply import Apply as Apply
    from beeyard.application.operations.audit_export import AuditExport as AuditExport
    from beeyard.application.operations.audit_log import AuditLog as AuditLog
    from beeyard.application.operations.audit_verify import AuditVerify as AuditVerify
    from beeyard.application.operations.down import Down as Down
    from beeyard.application.operations.down import DownView as DownView
    from beeyard.application.operations.endpoint_get import EndpointGet as EndpointGet
    from beeyard.application.operations.endpoint_list import EndpointList as EndpointList
    from beeyard.application.operations.events import Events as Events
    from beeyard.application.operations.info import Info as Info
    from beeyard.application.operations.info import InfoView as InfoView
    from beeyard.application.operations.job_cancel import JobCancel as JobCancel
    from beeyard.application.operations.job_events import JobEvents as JobEvents
    from beeyard.application.operations.job_get import JobGet as JobGet
    from beeyard.application.operations.job_list import JobList as JobList
    from beeyard.application.operations.logs import Logs as Logs
    from beeyard.application.operations.orphan_list import OrphanList as OrphanList
    from beeyard.application.operations.orphan_list import OrphansView as OrphansView
    from beeyard.application.operations.orphan_remove import OrphanRemove as OrphanRemove
    from beeyard.application.operations.orphan_remove import Swept as Swept
    from beeyard.application.operations.package_gc import PackageGc as PackageGc
    from beeyard.application.operations.package_history import PackageHistory as PackageHistory
    from beeyard.application.operations.package_hold import PackageHold as PackageHold
    from beeyard.application.operations.package_install import PackageInstall as PackageInstall
    from beeyard.application.operations.package_list import PackageList as PackageList
    from beeyard.application.operations.package_lock import PackageLock as PackageLock
    from beeyard.application.operations.package_repair import PackageRepair as PackageRepair
    from beeyard.application.operations.package_rollback import PackageRollback as PackageRollback
    from beeyard.application.operations.package_search import PackageSearch as PackageSearch
    from beeyard.application.operations.package_show import PackageShow as PackageShow
    from beeyard.application.operations.package_unhold import PackageUnhold as PackageUnhold
    from beeyard.application.operations.package_uninstall import PackageUninstall as PackageUninstall
    from beeyard.application.operations.package_update import PackageUpdate as PackageUpdate
    from beeyard.application.operations.package_verify import PackageVerify as PackageVerify
    from beeyard.application.operations.package_views import PackageView as PackageView
    from beeyard.application.operations.package_why import PackageWhy as PackageWhy
    from beeyard.application.operations.ps import Ps as Ps
    from beeyard.application.operations.remove import Remove as Remove
    from beeyard.application.operations.restart import Restart as Restart
    from beeyard.application.operations.rollout_abort import RolloutAbort as RolloutAbort
    from beeyard.application.operations.rollout_pause import RolloutPause as RolloutPause
    from beeyard.application.operations.rollout_resume import RolloutResume as RolloutResume
    from beeyard.application.operations.rollout_status import RolloutStatus as RolloutStatus
    from beeyard.application.operations.show import Show as Show
    from beeyard.application.operations.start import Start as Start
    from beeyard.application.operations.stop import Stop as Stop
    from beeyard.application.operations.token_create import TokenCreate as TokenCreate
    from beeyard.application.operations.token_create import TokenCreated as TokenCreated
    from beeyard.application.operations.token_link import LoginLink as LoginLink
    from beeyard.application.operations.token_link import TokenLink as TokenLink
    from beeyard.application.operations.token_list import TokenList as TokenList
    from beeyard.application.operations.token_list import TokenView as TokenView
    from beeyard.application.operations.token_revoke import TokenRevoke as TokenRevoke
    from beeyard.application.operations.why import Why as Why
    from beeyard.application.operations.why import WhyView as WhyView
    from beeyard.application.packages.condition import PackageHealth as PackageHealth
    from beeyard.application.packages.seed import AddWorkerOptions as AddWorkerOptions
    from beeyard.application.packages.seed import InstallOptions as InstallOptions
    from beeyard.application.packages.seed import UpdateOptions as UpdateOptions
    from beeyard.application.packages.status import PackageStatus as PackageStatus
    from beeyard.application.views import Event as Event
    from beeyard.application.views import JobView as JobView
    from beeyard.application.views import WorkerDetail as WorkerDetail
    from beeyard.application.views import WorkerEvent as WorkerEvent
    from beeyard.application.views import WorkerView as WorkerView
    from beeyard.domain.access import Grant as Grant
    from beeyard.domain.errors import BeeyardError as BeeyardError
    from beeyard.domain.errors import Denied as Denied
    from beeyard.domain.errors import Invalid as Invalid
    from beeyard.domain.errors import Limited as Limited
    from beeyard.domain.errors import NotFound as NotFound
    from beeyard.domain.errors import Refused as Refused
    from beeyard.domain.errors import Rejected as Rejected
    from beeyard.domain.errors import Unavailable as Unavailable
    from beeyard.domain.errors import Unidentified as Unidentified
    from beeyard.domain.errors import Untrusted as Untrusted
    from beeyard.domain.locked import Locked as Locked
    from beeyard.domain.packages import Manifest as Manifest
    from beeyard.domain.packages import ProcessEntry as ProcessEntry
    from beeyard.domain.sources import PackagePolicies as PackagePolicies
    from beeyard.domain.sources import PackagesSpec as PackagesSpec
    from beeyard.domain.sources import RepositorySpec as RepositorySpec
    from beeyard.domain.spec import Backoff as Backoff
    from beeyard.domain.spec import Endpoint as Endpoint
    from beeyard.domain.spec import LogSpec as LogSpec
    from beeyard.domain.spec import ProbeSpec as ProbeSpec
    from beeyard.domain.spec import RestartPolicy as RestartPolicy
    from beeyard.domain.spec import StopStep as StopStep
    from beeyard.domain.spec import WorkerSpec as WorkerSpec
    from beeyard.domain.values import WorkerId as WorkerId
    from beeyard.entrypoints.connecting import connect as connect
    from beeyard.entrypoints.embedded import Master as Master
    from beeyard.entrypoints.http.async_client import AsyncClient as AsyncClient
    from beeyard.entrypoints.http.async_client import AsyncJob as AsyncJob
    from beeyard.entrypoints.http.client import Client as Client
    from beeyard.entrypoints.http.client import Job as Job
    from beeyard.entrypoints.management.config import ProviderConfig as ProviderConfig
    from beeyard.entrypoints.management.config import ProviderType as ProviderType
    from beeyard.entrypoints.management.provider import ProviderFactory as ProviderFactory
    from beeyard.entrypoints.management.provider import WorkerProvider as WorkerProvider
    from beeyard.entrypoints.management.service import WorkerManagementService as WorkerManagementService
    from beeyard.entrypoints.management.service import (
        create_default_worker_management_service as create_default_worker_management_service,
    )
    from beeyard.entrypoints.management.service import (
        create_kubernetes_worker_management_service as create_kubernetes_worker_management_service,
    )
    from beeyard.entrypoints.management.views import ProviderCapabilities as ProviderCapabilities
    from beeyard.entrypoints.management.views import ProvisionedWorker as ProvisionedWorker
    from beeyard.entrypoints.management.views import WorkerStatus as WorkerStatus
    from beeyard.ports.journal import Entry as Entry
    from beeyard.ports.journal import Verdict as Verdict
    from beeyard.ports.logs import LogLine as LogLine
    from beeyard.ports.package_manager import Installed as Installed
    from beeyard.ports.package_manager import Offered as Offered
    from beeyard.ports.package_manager import PackageManager as PackageManager
    from beeyard.ports.package_manager import Remembered as Remembered
    from beeyard.ports.package_store import Damage as Damage
    from beeyard.ports.package_store import Reclaimed as Reclaimed
    from beeyard.sdk.endpoints import EndpointView as EndpointView

_NAMES = {
    "adapters.providers": ["register_provider"],
    "application.operations.add": ["Add"],
    "application.operations.apply": ["Applied", "Apply"],
    "application.operations.audit_export": ["AuditExport"],
    "application.operations.audit_log": ["AuditLog"],
    "application.operations.audit_verify": ["AuditVerify"],
    "application.operations.down": ["Down", "DownView"],
    "application.operations.endpoint_get": ["EndpointGet"],
    "application.operations.endpoint_list": ["EndpointList"],
    "application.operations.events": ["Events"],
    "application.operations.info": ["Info", "InfoView"],
    "application.operations.job_cancel": ["JobCancel"],
    "application.operations.job_events": ["JobEvents"],
    "application.operations.job_get": ["JobGet"],
    "application.operations.job_list": ["JobList"],
    "application.operations.logs": ["Logs"],
    "application.operations.orphan_list": ["OrphanList", "OrphansView"],
    "application.operations.orphan_remove": ["OrphanRemove", "Swept"],
    "application.operations.package_gc": ["PackageGc"],
    "application.operations.package_history": ["PackageHistory"],
    "application.operations.package_install": ["PackageInstall"],
    "application.operations.package_list": ["PackageList"],
    "application.operations.package_lock": ["PackageLock"],
    "application.operations.package_repair": ["PackageRepair"],
    "application.operations.package_search": ["PackageSearch"],
    "application.operations.package_show": ["PackageShow"],
    "application.operations.package_uninstall": ["PackageUninstall"],
    "application.operations.package_verify": ["PackageVerify"],
    "application.operations.package_hold": ["PackageHold"],
    "application.operations.package_rollback": ["PackageRollback"],
    "application.operations.package_unhold": ["PackageUnhold"],
    "application.operations.package_update": ["PackageUpdate"],
    "application.operations.rollout_abort": ["RolloutAbort"],
    "application.operations.rollout_pause": ["RolloutPause"],
    "application.operations.rollout_resume": ["RolloutResume"],
    "application.operations.rollout_status": ["RolloutStatus"],
    "application.operations.package_why": ["PackageWhy"],
    "application.operations.package_views": ["PackageView"],
    "application.operations.ps": ["Ps"],
    "application.operations.remove": ["Remove"],
    "application.operations.restart": ["Restart"],
    "application.operations.show": ["Show"],
    "application.operations.start": ["Start"],
    "application.operations.stop": ["Stop"],
    "application.operations.swap": ["Swap", "SwapView"],
    "application.operations.token_create": ["TokenCreate", "TokenCreated"],
    "application.operations.token_link": ["LoginLink", "TokenLink"],
    "application.operations.token_list": ["TokenList", "TokenView"],
    "application.operations.token_revoke": ["TokenRevoke"],
    "application.operations.probe": ["Probe", "ProbeAnswer"],
    "application.operations.why": ["Why", "WhyView"],
    "application.packages.condition": ["PackageHealth"],
    "application.packages.seed": ["AddWorkerOptions", "InstallOptions", "UpdateOptions"],
    "application.packages.status": ["PackageStatus"],
    "application.views": ["Event", "JobView", "WorkerDetail", "WorkerEvent", "WorkerView"],
    "domain.access": ["Grant"],
    "domain.errors": [
        *("BeeyardError", "Denied", "Invalid", "Limited", "NotFound", "Refused"),
        *("Rejected", "Unavailable", "Unidentified", "Untrusted"),
    ],
    "domain.locked": ["Locked"],
    "domain.packages": ["Manifest", "ProcessEntry"],
    "domain.sources": ["PackagePolicies", "PackagesSpec", "RepositorySpec"],
    "domain.spec": ["Backoff", "Endpoint", "LogSpec", "ProbeSpec", "RestartPolicy", "StopStep", "WorkerSpec"],
    "domain.values": ["WorkerId"],
    "entrypoints.connecting": ["connect"],
    "entrypoints.embedded": ["Master"],
    "entrypoints.http.async_client": ["AsyncClient", "AsyncJob"],
    "entrypoints.http.client": ["Client", "Job"],
    "entrypoints.management.config": ["ProviderConfig", "ProviderType"],
    "entrypoints.management.provider": ["ProviderFactory", "WorkerProvider"],
    "entrypoints.management.service": [
        "WorkerManagementService",
        "create_default_worker_management_service",
        "create_kubernetes_worker_management_service",
    ],
    "entrypoints.management.views": ["ProviderCapabilities", "ProvisionedWorker", "WorkerStatus"],
    "ports.journal": ["Entry", "Verdict"],
    "ports.logs": ["LogLine"],
    "ports.package_manager": ["Installed", "Offered", "PackageManager", "Remembered"],
    "ports.package_store": ["Damage", "Reclaimed"],
    "sdk.endpoints": ["EndpointView"],
}

_HOMES = {name: home for home, names in _NAMES.items() for name in names}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'beeyard' has no attribute {name!r}")
    return getattr(import_module(f"beeyard.{_HOMES[name]}"), name)
