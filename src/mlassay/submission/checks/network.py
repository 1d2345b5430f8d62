"""NET: the network division, where the load generator and the system under test are different machines."""

from __future__ import annotations

from collections.abc import Iterator

from mlassay.submission.check import Found, Scope, check
from mlassay.submission.model import Run, SystemFile

CLAUSE = "Inference rules, network division"


@check(
    "NET001",
    Scope.RUN,
    "system under test without a network in its name",
    since="v2.1",
    example="found SUT name 'PySUT'; expected one with 'Network SUT'",
    official="network_sut",
    clause=CLAUSE,
)
def sut_name(run: Run) -> Iterator[Found]:
    """In the network division the load generator's side only passes queries on, and says so: its name for the system
    holds 'Network SUT'."""
    if run.result.submitter.division != "network" or run.role != "performance":
        return
    said = run.log.get("sut_name")
    if run.log.readable and not (isinstance(said, str) and "Network SUT" in said):
        yield Found(run.where, f"SUT name {said!r}", "a name with 'Network SUT'")


@check(
    "NET002",
    Scope.SYSTEM,
    "network field missing",
    since="v2.1",
    example="found no network_protocol",
    official="network_sut",
    clause=CLAUSE,
)
def fields(system: SystemFile) -> Iterator[Found]:
    """A system of the network division describes its network in thirteen further fields."""
    if system.submitter.division != "network" or not system.json.ok:
        return
    for name in system.submitter.round.system_fields.network:
        if name not in system.data:
            yield Found(system.path, f"no {name}", "the fields of the network division")


@check(
    "NET003",
    Scope.SYSTEM,
    "network flag contradicts the division",
    since="v2.1",
    example="found is_network 'true' in closed",
    official="network_sut",
    clause=CLAUSE,
)
def flag(system: SystemFile) -> Iterator[Found]:
    """is_network is true in the network division and absent or false elsewhere. The v6 tools take any text for true,
    even 'false'."""
    if not system.json.ok or "is_network" not in system.data:
        return
    said = str(system.data["is_network"]).strip().lower() in ("true", "yes", "1", "y")
    here = system.submitter.division == "network"
    if said != here and system.submitter.division:
        yield Found(
            system.path,
            f"is_network {system.data['is_network']!r} in {system.submitter.division}",
            "true" if here else "false, or no such field",
        )


@check(
    "NET004",
    Scope.SYSTEM,
    "network result of an edge system",
    since="v2.1",
    example="found an edge system in network",
    official="network_sut",
    clause=CLAUSE,
)
def datacenter(system: SystemFile) -> Iterator[Found]:
    """The network division belongs to the datacenter suite."""
    if system.submitter.division == "network" and system.suites and "datacenter" not in system.suites:
        yield Found(system.path, f"a system of type {','.join(system.suites)}", "a datacenter system")
